//! What a client is given.

use std::time::Duration;

use super::*;

fn stac(machine: &Machine) -> ServiceSettings {
    machine.load().service(Service::Stac).unwrap()
}

#[test]
fn the_defaults_make_a_client_for_every_service_of_each_lake() {
    let config = Machine::new().load();
    let known = Service::ALL
        .into_iter()
        .filter(|service| config.has(*service));
    let urls: Vec<String> = known
        .map(|service| config.service(service).unwrap().url.to_string())
        .collect();
    let expected = [
        "http://localhost:8080/",
        "http://localhost:4200/",
        "http://localhost:3100/",
        "http://localhost:8088/",
    ];
    assert_eq!(urls, expected);
    let transport = config.service(Service::Loki).unwrap().transport;
    assert_eq!(transport.timeout, Duration::from_secs(30));
    assert_eq!(transport.connect_timeout, Duration::from_secs(3));
    assert_eq!(transport.retries, 4);
    assert!(transport.ca_file.is_none() && transport.proxy.is_none() && transport.system_proxy);
    let s3 = config.s3().unwrap();
    assert_eq!(s3.endpoint.as_str(), "http://localhost:9000/");
    assert_eq!(s3.region, "us-east-1");
    assert!(s3.access_key.is_none() && s3.secret_key.is_none() && s3.session_token.is_none());
    let aliases: Vec<_> = s3.aliases.iter().map(endpoint::display).collect();
    assert_eq!(aliases, [IN_CLUSTER_S3]);
}

#[test]
fn a_service_knows_which_setting_it_came_from() {
    let machine = Machine::new().set("DASHI_STAC_URL", "https://lake.example/stac/");
    let stac = stac(&machine);
    assert_eq!(stac.url.as_str(), "https://lake.example/stac");
    assert_eq!(stac.setting, "stac_url");
    assert_eq!(stac.origin.to_string(), "DASHI_STAC_URL");
    assert_eq!(stac.transport.timeout_setting, "http.timeout");
}

#[test]
fn a_services_own_setting_beats_that_of_all_services() {
    let machine = Machine::with_file(
        "[http]\ntimeout = \"10s\"\nretries = 1\nca_file = \"/a\"\nproxy = \"http://p:1\"\n\
         [stac]\ntimeout = \"60s\"\nretries = 0\nca_file = \"/b\"\nproxy = \"off\"\n[s3]\nconnect_timeout = \"1s\"\n",
    );
    let transport = stac(&machine).transport;
    assert_eq!(transport.timeout, Duration::from_mins(1));
    assert_eq!(transport.timeout_setting, "stac.timeout");
    assert_eq!(transport.retries, 0);
    assert_eq!(transport.ca_file, Some("/b".into()));
    assert!(transport.proxy.is_none() && !transport.system_proxy);

    let s3 = machine.load().s3().unwrap().transport;
    assert_eq!(s3.timeout, Duration::from_secs(10));
    assert_eq!(s3.connect_timeout_setting, "s3.connect_timeout");
    assert_eq!(s3.proxy.unwrap().as_str(), "http://p:1/");
    assert!(!s3.system_proxy);
}

#[test]
fn a_stronger_source_for_all_services_beats_a_weaker_one_for_one() {
    let file = "[stac]\ntimeout = \"60s\"\n[contexts.prod.http]\ntimeout = \"20s\"\n";
    let timeout = |machine: &Machine| {
        let transport = stac(machine).transport;
        (transport.timeout.as_secs(), transport.timeout_setting)
    };
    let machine = Machine::with_file(file);
    assert_eq!(timeout(&machine), (60, "stac.timeout"));
    let machine = machine.context("prod");
    assert_eq!(timeout(&machine), (20, "http.timeout"));
    let machine = machine
        .set("DASHI_STAC_TIMEOUT", "7s")
        .set("DASHI_HTTP_TIMEOUT", "6s");
    assert_eq!(timeout(&machine), (7, "stac.timeout"));
    let machine = machine.flag("http.timeout", "5s");
    assert_eq!(timeout(&machine), (5, "http.timeout"));
}

#[test]
fn a_client_certificate_takes_its_key_from_its_own_table() {
    let both = "[http]\nclient_cert = \"/a\"\nclient_key = \"/a.key\"\n";
    let transport = stac(&Machine::with_file(both)).transport;
    assert_eq!(transport.client_cert, Some("/a".into()));
    assert_eq!(transport.client_key, Some("/a.key".into()));

    let own = format!("{both}[stac]\nclient_cert = \"/b\"\n");
    let transport = stac(&Machine::with_file(&own)).transport;
    assert_eq!(transport.client_cert, Some("/b".into()));
    assert_eq!(transport.client_key, None);
}

#[test]
fn a_key_without_its_certificate_is_an_error() {
    let machine = Machine::with_file("[stac]\nclient_key = \"/a.key\"\n");
    let error = machine.load().service(Service::Stac).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "stac.client_key is set ({}) and stac.client_cert is not",
            machine.line(2)
        )
    );
}

#[test]
fn half_a_pair_of_s3_keys_is_an_error() {
    let error = Machine::new()
        .set("DASHI_S3_ACCESS_KEY", "a")
        .load()
        .s3()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "s3.access_key is set (DASHI_S3_ACCESS_KEY) and s3.secret_key is not"
    );
    assert_eq!(
        error.detail().hints,
        ["set s3.secret_key or DASHI_S3_SECRET_KEY"]
    );
    let error = Machine::new()
        .set("DASHI_S3_SECRET_KEY", "a")
        .load()
        .s3()
        .unwrap_err();
    assert!(error.to_string().starts_with("s3.secret_key is set"));
}

#[test]
fn a_pair_of_s3_keys_may_come_from_two_sources() {
    let machine = Machine::with_file("[s3]\naccess_key = \"a\"\n").set("DASHI_S3_SECRET_KEY", "b");
    let s3 = machine.load().s3().unwrap();
    assert_eq!(s3.access_key.unwrap().expose().unwrap(), "a");
    assert_eq!(s3.secret_key.unwrap().expose().unwrap(), "b");
}

#[test]
fn what_a_lake_can_do_without_can_be_off() {
    for service in [
        Service::Loki,
        Service::Ingest,
        Service::Identity,
        Service::Iceberg,
    ] {
        let key = Key::at(service.url_key()).unwrap();
        let machines = [
            Machine::with_file(&format!("{} = \"off\"", key.path)),
            Machine::with_file(&format!("{} = \"\"", key.path)),
            Machine::new().set(key.variable, "off"),
            Machine::new().flag(key.path, "off"),
        ];
        for machine in machines {
            let config = machine.load();
            assert!(!config.has(service));
            assert_eq!(shown(&config, key.path).0, "off");
            let error = config.service(service).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            let origin = config.setting(key.path).unwrap().origin();
            assert_eq!(
                error.to_string(),
                format!(
                    "this lake has no such service: {} is off ({origin})",
                    key.path
                )
            );
        }
    }
    let lacks = |service: &Service| !Machine::new().load().has(*service);
    let missing: Vec<Service> = Service::ALL.into_iter().filter(lacks).collect();
    assert_eq!(missing, [Service::Identity, Service::Iceberg]);
}

#[test]
fn stac_prefect_and_the_store_cannot_be_off() {
    for key in KEYS.iter().filter(|key| key.shape == Shape::Endpoint) {
        let error = Machine::new().set(key.variable, "off").error();
        assert!(error.message.starts_with(key.variable), "{}", error.message);
        assert!(error.hints.is_empty());
    }
}

#[test]
fn a_service_in_a_cluster_has_its_name_there_and_a_tunnel() {
    let config = Machine::with_file("[s3]\nendpoint = \"k8s://dashi-platform/rustfs:9000\"\n")
        .set("DASHI_STAC_URL", "k8s://dashi-data/stac-fastapi:8080")
        .load();
    assert_eq!(
        shown(&config, "stac_url").0,
        "k8s://dashi-data/stac-fastapi:8080"
    );
    assert!(config.has(Service::Stac));
    let stac = config.service(Service::Stac).unwrap();
    assert_eq!(
        stac.url.as_str(),
        "http://stac-fastapi.dashi-data.svc.cluster.local:8080/"
    );
    assert_eq!(
        stac.transport.tunnel.unwrap().endpoint,
        "k8s://dashi-data/stac-fastapi:8080"
    );
    let tunnel = config.s3().unwrap().transport.tunnel.unwrap();
    assert_eq!(tunnel.endpoint, "k8s://dashi-platform/rustfs:9000");
    assert!(
        config
            .service(Service::Loki)
            .unwrap()
            .transport
            .tunnel
            .is_none()
    );
}

#[test]
fn a_services_name_is_its_table_and_its_key() {
    for service in Service::ALL {
        assert_eq!(service.url_key(), format!("{}_url", service.name()));
        assert!(Key::at(&format!("{}.token", service.name())).is_some());
    }
}
