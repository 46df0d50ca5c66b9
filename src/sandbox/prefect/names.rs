//! Names of runs, as in `steady-tench`: an adjective and an animal, drawn from the run's id.

const ADJECTIVES: [&str; 32] = [
    "agile", "amber", "brave", "calm", "clever", "curious", "daring", "eager", "fierce", "gentle",
    "glossy", "hasty", "humble", "jolly", "keen", "lively", "loyal", "merry", "mighty", "nimble",
    "patient", "placid", "proud", "quick", "quiet", "rustic", "sage", "silver", "steady", "sturdy",
    "vivid", "witty",
];
const ANIMALS: [&str; 32] = [
    "adder", "badger", "beaver", "bison", "bunting", "chamois", "civet", "crane", "dormouse",
    "eagle", "eel", "ermine", "falcon", "finch", "gecko", "heron", "ibex", "jackdaw", "kestrel",
    "lark", "lynx", "marmot", "marten", "newt", "otter", "owl", "perch", "raven", "stork", "tench",
    "trout", "wisent",
];

/// The name of the run with this id.
pub(crate) fn of(id: uuid::Uuid) -> String {
    let bytes = id.as_bytes();
    let pick = |list: &[&'static str; 32], byte: u8| list[usize::from(byte) % list.len()];
    format!(
        "{}-{}",
        pick(&ADJECTIVES, bytes[14]),
        pick(&ANIMALS, bytes[15])
    )
}
