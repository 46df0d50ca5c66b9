//! The tests that scripts have: functions without arguments whose names begin with `test_`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::TestWanted;
use crate::error::{Error, Kind, Place, Result, Trace};
use crate::host::Started;
use crate::script::check::check;
use crate::script::library;
use crate::script::program::Program;
use crate::script::test::tests_of;
use crate::table::visible;

/// What stands for a script in place of a test's name.
const OF_SCRIPT: &str = "(script)";

/// One test.
pub(super) struct Case {
    /// The script as it was named.
    pub(super) file: PathBuf,
    /// The folder whose scripts are commands where it is run; none where those beside it are.
    pub(super) folder: Option<PathBuf>,
    /// The function.
    pub(super) name: String,
    /// The line on which it begins.
    pub(super) line: usize,
}

impl Case {
    /// As it is told.
    pub(super) fn title(&self) -> String {
        visible(&format!("{}::{}", self.file.display(), self.name))
    }

    fn is_of_script(&self) -> bool {
        self.name == OF_SCRIPT
    }

    /// What stands for a script whose tests cannot be run.
    fn of_script(file: &Path, folder: Option<&Path>) -> Case {
        Case {
            file: file.to_owned(),
            folder: folder.map(Path::to_owned),
            name: OF_SCRIPT.to_owned(),
            line: 1,
        }
    }
}

/// A test that cannot be run, or a script of which none can, and what is wrong with it.
pub(super) type Broken = (Case, Error);

/// The tests that are wanted, and the scripts whose tests cannot be run. That there are none is an error: running nothing must not
/// look like success.
pub(super) fn find(run: &Started, wanted: &TestWanted) -> Result<(Vec<Case>, Vec<Broken>)> {
    let (mut cases, mut broken) = (Vec::new(), Vec::new());
    for path in &wanted.paths {
        let (files, folder) = if path.is_dir() {
            (library::files(path), Some(path.as_path()))
        } else {
            (vec![path.clone()], None)
        };
        for file in files {
            if let Err(error) = of_file(run, &file, folder, &mut cases, &mut broken) {
                broken.push((Case::of_script(&file, folder), error));
            }
        }
    }
    // Where there is nothing beside it, what is wrong is all that can be said.
    if cases.is_empty() && !broken.is_empty() {
        return Err(broken.remove(0).1);
    }
    let mut seen = BTreeSet::new();
    cases.retain(|case| {
        let file = case
            .file
            .canonicalize()
            .unwrap_or_else(|_| case.file.clone());
        seen.insert((file, case.name.clone()))
    });
    if cases.is_empty() {
        let paths: Vec<String> = wanted
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let error = Error::new(
            Kind::NotFound,
            format!("there are no tests in {}", paths.join(", ")),
        );
        return Err(
            error.hint("a test is a function without arguments whose name begins with test_")
        );
    }
    if let Some(part) = &wanted.name {
        cases.retain(|case| case.title().contains(part));
        broken.retain(|(case, _)| case.is_of_script() || case.title().contains(part));
        if cases.is_empty() && broken.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                format!("no test has '{part}' in its name"),
            ));
        }
    }
    Ok((cases, broken))
}

fn of_file(
    run: &Started,
    file: &Path,
    folder: Option<&Path>,
    cases: &mut Vec<Case>,
    broken: &mut Vec<Broken>,
) -> Result<()> {
    let script = library::read(file)?;
    let header = script.header()?;
    let program = Program::of(&script, &header);
    // What is wrong with a script would fail each of its tests.
    let ast = check(&run.engine, &run.session, &program)?.ready()?;
    for test in tests_of(&ast) {
        let case = Case {
            file: file.to_owned(),
            folder: folder.map(Path::to_owned),
            name: test.name,
            line: test.line,
        };
        if test.takes > 0 {
            let at = Place {
                source: script.source.clone(),
                line: test.line,
                column: 0,
            };
            let trace = Trace {
                at: Some(at),
                ..Trace::default()
            };
            let error = Error::usage(format!("the test '{}' takes arguments", case.name))
                .hint("a test takes none; call what is to be tested, or rename it")
                .traced(trace);
            broken.push((case, error));
            continue;
        }
        cases.push(case);
    }
    Ok(())
}
