//! `dashictl config`, contexts, and what is wrong with a configuration, as an operator sees it. The rules themselves
//! are tested in `src/config`.

use super::operator::Operator;

#[test]
fn the_resolved_view_masks_secrets_and_says_where_values_come_from() {
    let operator = Operator::new().with("DASHI_LOKI_URL", "http://loki.example");
    operator.config("stac_url = \"http://stac.example\"\n[s3]\naccess_key = \"rustfsadmin\"\nsecret_key = \"short\"\n[contexts.prod]\nstac_url = \"http://prod.example\"\n");
    let value = operator
        .run(&["config", "--json", "--s3-endpoint", "http://flag.example"])
        .json();
    assert_eq!(value["context"], "default");
    assert_eq!(value["stac_url"], "http://stac.example");
    assert_eq!(value["s3.access_key"], "rust…");
    assert_ne!(value["s3.secret_key"], "short");
    let origins = operator
        .run(&[
            "--context",
            "prod",
            "config",
            "--origin",
            "--s3-endpoint",
            "http://flag.example",
        ])
        .success();
    for expected in [
        "stac_url                  http://prod.example",
        "~/.config/dashi/config.toml:6",
        "DASHI_LOKI_URL",
        "--s3-endpoint",
        "default",
    ] {
        assert!(
            origins.contains(expected),
            "{expected} is not in\n{origins}"
        );
    }
    assert!(!origins.contains("rustfsadmin"), "{origins}");
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest() {
    let operator = Operator::new();
    operator.config("[s3]\nendpiont = \"http://x\"\n");
    let stderr = operator.run(&["domain", "list"]).failure(2);
    assert!(
        stderr.contains("config.toml:2:1")
            && stderr.contains("endpiont")
            && stderr.contains("did you mean 'endpoint'?"),
        "{stderr}"
    );
}

#[test]
fn an_unknown_context_names_the_nearest_also_without_a_file() {
    let operator = Operator::new();
    let stderr = operator
        .run(&["--context", "sandbx", "domain", "list"])
        .failure(2);
    assert!(
        stderr.contains("sandbx") && stderr.contains("did you mean 'sandbox'?"),
        "{stderr}"
    );
    operator.config("[contexts.production]\nstac_url = \"http://x\"\n");
    let stderr = operator
        .run(&["--context", "producton", "domain", "list"])
        .failure(2);
    assert!(stderr.contains("did you mean 'production'?"), "{stderr}");
}

#[test]
fn a_file_with_secrets_that_others_can_read_draws_a_warning() {
    let operator = Operator::new();
    let path =
        operator.config("[s3]\naccess_key = \"rustfsadmin\"\nsecret_key = \"rustfssecret\"\n");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ran = operator.run(&["config"]);
    assert!(
        ran.stderr.contains("warning: ") && ran.stderr.contains("chmod 600"),
        "{ran}"
    );
    let _ = ran.success();
}

#[test]
fn a_service_inside_a_cluster_wants_a_kubeconfig() {
    let operator = Operator::new();
    operator.config("stac_url = \"k8s://dashi-catalog/stac-fastapi:8080\"\n");
    let stderr = operator.run(&["domain", "list"]).failure(2);
    assert!(
        stderr.contains("there is no kubeconfig")
            && stderr.contains("a tunnel is to lead to k8s://dashi-catalog/stac-fastapi:8080"),
        "{stderr}"
    );
}

#[test]
fn a_secret_can_come_from_a_command() {
    let service = super::fake::FakeService::start(vec![super::fake::Answer::json(
        &serde_json::json!({"collections": [], "links": []}),
    )]);
    let operator = Operator::new();
    operator.config(&format!(
        "stac_url = {:?}\n[stac]\ntoken = {{ command = [\"printf\", \"from-a-command\"] }}\n",
        service.url()
    ));
    let _ = operator.run(&["domain", "list"]).success();
    assert_eq!(
        service.asked()[0].header("authorization"),
        Some("Bearer from-a-command")
    );
}
