//! Which context is in use, and what stands beside a named one.

use super::*;

const TWO: &str = "stac_url = \"http://top\"\n[contexts.prod]\nstac_url = \"http://prod\"\n\
    [contexts.default]\nprefect_url = \"http://default\"\n";

#[test]
fn without_a_name_the_default_block_holds_if_it_is_there() {
    let config = Machine::with_file(TWO).load();
    assert_eq!(config.context(), "default");
    assert!(!config.context_is_named());
    assert_eq!(shown(&config, "prefect_url").0, "http://default");
    assert_eq!(shown(&config, "stac_url").0, "http://top");
}

#[test]
fn the_flag_beats_the_variable() {
    let machine = Machine::with_file(TWO).set("DASHI_CONTEXT", "prod");
    let config = machine.load();
    assert_eq!(
        (config.context(), config.context_is_named()),
        ("prod", true)
    );
    assert_eq!(shown(&config, "stac_url").0, "http://prod");
    assert_eq!(shown(&config, "prefect_url").0, "http://localhost:4200");

    let config = machine.context("default").load();
    assert_eq!(
        (config.context(), config.context_is_named()),
        ("default", true)
    );
    assert_eq!(shown(&config, "stac_url").0, "http://top");
}

#[test]
fn an_empty_variable_names_nothing_and_an_empty_flag_is_refused() {
    let config = Machine::with_file(TWO).set("DASHI_CONTEXT", "").load();
    assert_eq!(
        (config.context(), config.context_is_named()),
        ("default", false)
    );
    let error = Machine::with_file(TWO).context("").error();
    assert_eq!(error.kind, Kind::Usage);
}

#[test]
fn an_unknown_context_is_an_error_with_the_nearest_name() {
    let by_flag = Machine::with_file(TWO).context("pord").error();
    assert_eq!(by_flag.kind, Kind::Config);
    assert_eq!(
        by_flag.message,
        "unknown context 'pord' (--context): config.toml has no [contexts.pord]"
    );
    let hints = [
        "did you mean 'prod'?",
        "the contexts are default, prod, sandbox",
    ];
    assert_eq!(by_flag.hints, hints);

    let by_variable = Machine::with_file(TWO).set("DASHI_CONTEXT", "pord").error();
    assert_eq!(
        by_variable.message,
        "unknown context 'pord' (DASHI_CONTEXT): config.toml has no [contexts.pord]"
    );
    assert_eq!(by_variable.hints, hints);
}

#[test]
fn an_unknown_context_is_an_error_without_a_file_too() {
    let error = Machine::new().context("sandbx").error();
    assert_eq!(
        error.message,
        "unknown context 'sandbx' (--context): there is no file config.toml"
    );
    assert_eq!(
        error.hints,
        [
            "did you mean 'sandbox'?",
            "the contexts are default, sandbox"
        ]
    );
}

#[test]
fn the_default_context_can_be_named_without_a_file_and_without_a_block() {
    let config = Machine::new().context("default").load();
    assert_eq!(
        shown(&config, "stac_url"),
        pair("http://localhost:8080", "default")
    );
    let config = Machine::with_file("[contexts.prod]\n")
        .set("DASHI_CONTEXT", "default")
        .load();
    assert!(config.context_is_named());
}

#[test]
fn all_contexts_can_be_listed() {
    let names = |machine: Machine| {
        machine
            .load()
            .context_names()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(Machine::with_file(TWO)),
        ["default", "prod", "sandbox"]
    );
    assert_eq!(names(Machine::new()), ["default", "sandbox"]);
}

fn mixed(machine: &Machine) -> Vec<String> {
    let config = machine.load();
    let mixed = config.mixed_endpoints().into_iter();
    mixed
        .map(|setting| format!("{} {}", setting.key().path, setting.origin()))
        .collect()
}

#[test]
fn endpoints_beside_a_named_context_are_told_with_their_origin() {
    let machine = Machine::with_file(
        "prefect_url = \"http://top\"\n[contexts.prod]\nstac_url = \"http://prod\"\nloki_url = \"off\"\n",
    )
    .set("DASHI_S3_ENDPOINT", "http://s3")
    .set("DASHI_S3_REGION", "r");
    assert_eq!(mixed(&machine), [""; 0]);
    assert_eq!(
        mixed(&machine.context("prod")),
        ["ingest_url default", "s3.endpoint DASHI_S3_ENDPOINT"]
    );
}

#[test]
fn an_endpoint_flag_is_as_explicit_as_the_context() {
    let machine = Machine::with_file(
        "[contexts.prod]\nprefect_url = \"http://p\"\nloki_url = \"off\"\ningest_url = \"off\"\ns3.endpoint = \"http://s\"\n",
    )
    .set("DASHI_STAC_URL", "http://elsewhere")
    .context("prod");
    assert_eq!(mixed(&machine), ["stac_url DASHI_STAC_URL"]);
    assert_eq!(mixed(&machine.flag("stac_url", "http://here")), [""; 0]);
}

#[test]
fn a_further_command_line_has_what_the_flags_of_this_one_said_and_nothing_else() {
    let line = |machine: &Machine| machine.load().command_line("undo 01J");
    let machine = Machine::with_file("[contexts.\"far away\"]\nstac_url = \"http://s\"\n");
    assert_eq!(line(&machine), "dashictl undo 01J");
    let machine = machine.set("DASHI_CONTEXT", "far away");
    assert_eq!(line(&machine), "dashictl undo 01J");
    let machine = machine.context("far away");
    assert_eq!(line(&machine), "dashictl --context 'far away' undo 01J");
    assert_eq!(
        line(&machine.flag("stac_url", "http://here:8082")),
        "dashictl --context 'far away' --stac-url http://here:8082 undo 01J"
    );
}

#[test]
fn compiled_defaults_belong_to_the_default_context_that_has_no_block() {
    let bare = Machine::new()
        .context("default")
        .set("DASHI_STAC_URL", "http://x");
    assert_eq!(mixed(&bare), ["stac_url DASHI_STAC_URL"]);
    let with_block = Machine::with_file(TWO).context("default");
    let expected = [
        "loki_url default",
        "ingest_url default",
        "s3.endpoint default",
    ];
    assert_eq!(mixed(&with_block), expected);
}
