//! The header of a script: the `//!` lines at its top, prose first, then one ```` ```toml ```` block. From it come
//! help, flags, completion, argument checks, the effect. A wrong header is an error with file, line and nearest key.

use serde::Deserialize;

use super::header_lines;
use super::shape::Shape;
use crate::effects::Effect;
use crate::error::{Error, Result};

/// What a script says of itself.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// The first paragraph, in one line.
    pub summary: String,
    /// The prose after it.
    pub help: String,
    /// The most it may do to the world.
    pub effect: Effect,
    /// The arguments of which a destructive run asks for the value of the first that is given; for a flag, its name.
    pub confirm: Vec<String>,
    /// Whether it may stand in for a shipped script of the same name.
    pub overrides: bool,
    /// The positional arguments, in order.
    pub arguments: Vec<Parameter>,
    /// The flags, in order.
    pub options: Vec<Parameter>,
    /// The services and rights it needs.
    pub needs: Vec<Need>,
    /// How it is used.
    pub examples: Vec<Example>,
}

/// A positional argument or a flag.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name as it is typed (`min-age-hours`); in the script it is `args.min_age_hours`.
    pub name: String,
    /// Its type.
    pub shape: Shape,
    /// What it means.
    pub help: String,
    /// What holds when it is left out, as it would be typed.
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it may be given more than once.
    pub multiple: bool,
    /// The values allowed; empty: any.
    pub choices: Vec<String>,
    /// A one-letter form of a flag.
    pub short: Option<char>,
    /// The environment variable that stands in for it.
    pub env: Option<String>,
    /// Where live completion comes from: `domains`, `buckets`, `contexts`.
    pub complete: Option<String>,
    /// What its value is called in help.
    pub value: Option<String>,
}

impl Parameter {
    /// Its name in the script.
    #[must_use]
    pub fn field(&self) -> String {
        self.name.replace('-', "_")
    }
}

/// A service or right that a script needs.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct Need {
    /// The service: `stac`, `s3`, `prefect`, `loki`, `ingest`, `k8s`.
    pub service: String,
    /// What must be allowed there, in the service's own words. Of the cluster: verbs and resources, as in
    /// `get|list pods, create jobs.batch`.
    pub right: Option<String>,
    /// On what.
    pub resource: Option<String>,
    /// In which namespace of the cluster: the setting that names it. Without it, that of the option `namespace`.
    pub namespace: Option<String>,
    /// The setting without which it is not needed.
    pub when: Option<String>,
    /// Why, for who grants it.
    pub why: Option<String>,
}

impl Need {
    /// The rights in the cluster, each a verb and a resource; of another service, none.
    pub fn cluster_rights(&self) -> Result<Vec<(String, String)>> {
        let told = match &self.right {
            Some(right) if self.service == "k8s" => right,
            _ => return Ok(Vec::new()),
        };
        let mut rights = Vec::new();
        for item in told.split(',') {
            let words: Vec<&str> = item.split_whitespace().collect();
            let [verbs, resource] = words.as_slice() else {
                return Err(Error::usage(format!("'{}' is no right", item.trim()))
                    .hint("write verbs and a resource, as in get|list pods, create jobs.batch"));
            };
            rights.extend(
                verbs
                    .split('|')
                    .map(|verb| (verb.to_owned(), (*resource).to_owned())),
            );
        }
        Ok(rights)
    }
}

/// One line of the examples.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct Example {
    /// The command line.
    pub run: String,
    /// What it does.
    pub about: Option<String>,
}

impl Header {
    /// Reads the header of a script; `source` is the name of its file in errors. A script without one is a script
    /// without arguments that reads.
    pub fn parse(source: &str, text: &str) -> Result<Header> {
        header_lines::read(source, text)
    }

    /// All arguments and flags.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.arguments.iter().chain(&self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#!/usr/bin/env -S dashictl run\n//! Delete orphans.\n//!\n//! Lists them first.\n//!\n//! ```toml\n\
        //! effect = \"destroy\"\n//! confirm = \"bucket\"\n//! [args.what]\n//! required = true\n//! [options.min-age]\n\
        //! type = \"int\"\n//! default = 1\n//! [options.bucket]\n//! default = \"landing\"\n//! [[examples]]\n\
        //! run = \"dashictl gc\"\n//! ```\nfn main(args) { }\n";

    fn fails(toml: &str) -> Error {
        let header: String = toml.lines().map(|line| format!("//! {line}\n")).collect();
        Header::parse(
            "x.rhai",
            &format!("//! Says.\n//! ```toml\n{header}//! ```\n"),
        )
        .unwrap_err()
    }

    fn place(error: &Error) -> String {
        error
            .detail()
            .trace
            .as_ref()
            .and_then(|trace| trace.at.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    #[test]
    fn a_header_says_what_the_command_takes() {
        let header = Header::parse("gc.rhai", GOOD).unwrap();
        assert_eq!(
            (header.summary.as_str(), header.help.as_str()),
            ("Delete orphans", "Lists them first.")
        );
        assert_eq!(header.effect, Effect::Destroy);
        assert_eq!(header.confirm, ["bucket"]);
        assert_eq!(
            header
                .options
                .iter()
                .map(|o| o.name.as_str())
                .collect::<Vec<_>>(),
            ["min-age", "bucket"]
        );
        assert_eq!(header.options[0].default.as_deref(), Some("1"));
        assert_eq!(header.options[0].field(), "min_age");
        assert_eq!(header.examples[0].run, "dashictl gc");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
        let error = fails("effect = \"read\"\n[options.bucket]\nhlep = \"x\"");
        assert_eq!(error.to_string(), "unknown key 'hlep' in an option");
        assert_eq!(place(&error), "x.rhai:5:5");
        assert_eq!(error.detail().hints[0], "did you mean 'help'?");
        assert_eq!(place(&fails("efect = \"read\"")), "x.rhai:3:5");
        assert_eq!(place(&fails("[[examples]]\nrn = \"x\"")), "x.rhai:4:5");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        let error = fails("effect = \"reed\"");
        assert_eq!(
            (error.to_string().as_str(), place(&error).as_str()),
            ("unknown effect 'reed'", "x.rhai:3:14")
        );
        assert_eq!(
            fails("[options.n]\ntype = \"integer\"").to_string(),
            "unknown type 'integer'"
        );
        assert!(
            fails("[options.n]\ntype = \"int\"\ndefault = \"many\"")
                .to_string()
                .contains("does not fit")
        );
        assert!(
            fails("[options.n]\nrequired = \"yes\"")
                .to_string()
                .contains("boolean")
        );
        assert!(
            fails("confirm = \"bukket\"\n[options.bucket]")
                .to_string()
                .contains("neither")
        );
        assert_eq!(place(&fails("effect = ")), "x.rhai:3:14");
    }

    #[test]
    fn rights_in_the_cluster_are_verbs_and_resources() {
        let need = |right: &str| Need {
            service: "k8s".to_owned(),
            right: Some(right.to_owned()),
            resource: None,
            namespace: None,
            when: None,
            why: None,
        };
        let rights = need("get|list pods, create jobs.batch")
            .cluster_rights()
            .unwrap();
        let rights: Vec<_> = rights
            .iter()
            .map(|(verb, resource)| format!("{verb} {resource}"))
            .collect();
        assert_eq!(rights, ["get pods", "list pods", "create jobs.batch"]);
        let error = fails("[[needs]]\nservice = \"k8s\"\nright = \"create and get jobs.batch\"");
        assert_eq!(
            (error.to_string().as_str(), place(&error).as_str()),
            ("'create and get jobs.batch' is no right", "x.rhai:5:14")
        );
    }

    #[test]
    fn a_block_that_does_not_end_is_named() {
        let error =
            Header::parse("x.rhai", "//! A.\n//! ```toml\n//! effect = \"read\"\n").unwrap_err();
        assert_eq!(place(&error), "x.rhai:2:1");
    }

    #[test]
    fn a_script_without_a_header_reads_and_takes_nothing() {
        let header = Header::parse("x.rhai", "print(1);").unwrap();
        assert_eq!(header.effect, Effect::Read);
        assert!(header.summary.is_empty() && header.arguments.is_empty());
    }
}
