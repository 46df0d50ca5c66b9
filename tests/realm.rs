//! A realm of users: of the real Keycloak one of the test's own, or that of a sandbox. Somebody else's hands in it, and an
//! operator whose way to Keycloak and to the catalogue is tapped.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::canary;
use super::lakes::{Addresses, Lake, Served, real_lake};
use super::operator::{Operator, Ran};
use super::wire::Wire;

/// The client that operators log in as.
const CLIENT: &str = "dashictl";
/// An administrator's token is not used for longer.
const FRESH: Duration = Duration::from_secs(20);

/// The realm, in its lake.
pub struct Realm {
    /// The way to Keycloak.
    pub keycloak: Wire,
    /// The way to the catalogue.
    pub stac: Wire,
    /// Its name.
    pub name: String,
    url: String,
    secret: &'static str,
    admin: Admin,
    addresses: Addresses,
    runtime: Runtime,
    http: reqwest::Client,
    token: RefCell<Option<(String, Instant)>>,
    served: Served,
}

/// Who sets the stage: the real Keycloak's administrator, or the sandbox's own client.
enum Admin {
    Root,
    Client,
}

impl Realm {
    /// The sandbox's, or a new one that its client may manage the users of.
    pub fn of(lake: Lake) -> Realm {
        Realm::with(
            lake,
            &["query-groups", "query-users", "view-users", "manage-users"],
        )
    }

    /// The same for a client with no more than these rights (of the real Keycloak).
    pub fn with(lake: Lake, rights: &[&str]) -> Realm {
        let served = lake.served();
        let (url, name, secret, admin) = match lake {
            Lake::Sandbox => (
                served.addresses.identity.clone(),
                "dashi".to_owned(),
                canary::SANDBOX_KEYCLOAK,
                Admin::Client,
            ),
            Lake::Real => (
                real_lake()["LAKE_KEYCLOAK_URL"].clone(),
                Lake::name("realm"),
                canary::KEYCLOAK,
                Admin::Root,
            ),
        };
        let (keycloak, stac) = (Wire::before(&url), Wire::before(&served.addresses.stac));
        let realm = Realm {
            addresses: Addresses {
                stac: stac.url().to_owned(),
                ..served.addresses.clone()
            },
            keycloak,
            stac,
            name,
            url,
            secret,
            admin,
            runtime: Runtime::new().unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            token: RefCell::new(None),
            served,
        };
        if lake == Lake::Real {
            realm.create(rights);
        }
        realm
    }

    fn create(&self, rights: &[&str]) {
        let client = json!({"clientId": CLIENT, "enabled": true, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
            "publicClient": false, "secret": self.secret});
        let account = json!({"username": format!("service-account-{CLIENT}"), "enabled": true, "serviceAccountClientId": CLIENT,
            "clientRoles": {"realm-management": rights}});
        let realm =
            json!({"realm": self.name, "enabled": true, "clients": [client], "users": [account]});
        self.sent("POST", "/admin/realms", Some(&realm)).unwrap();
    }

    /// The configuration of an operator: everything of the lake, and this realm.
    pub fn configuration(&self) -> String {
        format!(
            "identity_url = {:?}\n{}[identity]\nrealm = {:?}\nclient_secret = {:?}\n",
            self.keycloak.url(),
            self.addresses.configuration(),
            self.name,
            self.secret
        )
    }

    /// One more operator. Others who destroy something in the same lake are in nobody's way.
    pub fn operator(&self) -> Operator {
        let operator = Operator::new().with("DASHI_STATE_URL", state());
        operator.config(&self.configuration());
        operator
    }

    /// Makes a domain of the test's own, and gives its name.
    pub fn domain(&self, classification: &str) -> String {
        let name = Lake::name("domain");
        let line = [
            "domain",
            "create",
            &name,
            "--max-classification",
            classification,
        ];
        let _ = self.served.operator().run(&line).success();
        name
    }

    /// What the catalogue says of a domain.
    pub fn collection(&self, domain: &str) -> Value {
        self.served
            .operator()
            .run(&["domain", "show", domain, "--json"])
            .json()
    }

    /// Makes a user.
    pub fn user(&self, name: &str) {
        let user = json!({"username": name, "enabled": true, "firstName": "Given", "lastName": name, "email": format!("{name}@example.org")});
        self.admin("POST", "/users", Some(&user)).unwrap();
    }

    /// Makes a group, with those above it.
    pub fn group(&self, path: &str) -> String {
        let mut above: Option<String> = None;
        let mut at = String::new();
        for name in path.trim_start_matches('/').split('/') {
            at = format!("{at}/{name}");
            let place = above.map_or("/groups".to_owned(), |above| {
                format!("/groups/{above}/children")
            });
            let _ = self.admin("POST", &place, Some(&json!({"name": name})));
            above = Some(self.found(&at).unwrap());
        }
        above.unwrap()
    }

    /// The id of the group at a path.
    pub fn found(&self, path: &str) -> Option<String> {
        let group = self
            .admin("GET", &format!("/group-by-path{path}"), None)
            .ok()?;
        group["id"].as_str().map(str::to_owned)
    }

    fn id_of(&self, user: &str) -> String {
        let found = self
            .admin("GET", &format!("/users?exact=true&username={user}"), None)
            .unwrap();
        found[0]["id"].as_str().unwrap().to_owned()
    }

    /// Puts a user into a group, or takes one out, as somebody else would.
    pub fn member(&self, user: &str, path: &str, is: bool) {
        let method = if is { "PUT" } else { "DELETE" };
        let place = format!("/users/{}/groups/{}", self.id_of(user), self.group(path));
        self.admin(method, &place, None).unwrap();
    }

    /// Who is in a group; nobody where there is none.
    pub fn members(&self, path: &str) -> Vec<String> {
        let Some(group) = self.found(path) else {
            return Vec::new();
        };
        let members = self
            .admin("GET", &format!("/groups/{group}/members?max=1000"), None)
            .unwrap();
        let names = members.as_array().unwrap().iter();
        names
            .map(|member| member["username"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Changes the realm itself.
    pub fn set(&self, settings: &Value) {
        self.admin("PUT", "", Some(settings)).unwrap();
    }

    /// Asks something below the realm.
    pub fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, u16> {
        self.sent(method, &format!("/admin/realms/{}{path}", self.name), body)
    }

    fn sent(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, u16> {
        let token = self.token();
        self.runtime.block_on(async {
            let method = method.parse().unwrap();
            let mut request = self
                .http
                .request(method, format!("{}{path}", self.url))
                .bearer_auth(token);
            if let Some(body) = body {
                request = request
                    .header("content-type", "application/json")
                    .body(body.to_string());
            }
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            if status.is_success() {
                Ok(serde_json::from_str(&text).unwrap_or_default())
            } else {
                Err(status.as_u16())
            }
        })
    }

    fn token(&self) -> String {
        let mut kept = self.token.borrow_mut();
        if let Some((token, since)) = &*kept
            && since.elapsed() < FRESH
        {
            return token.clone();
        }
        let (realm, form) = match self.admin {
            Admin::Root => (
                "master",
                format!(
                    "grant_type=password&client_id=admin-cli&username=admin&password={}",
                    real_lake()["LAKE_KEYCLOAK_PASSWORD"]
                ),
            ),
            Admin::Client => (
                self.name.as_str(),
                format!(
                    "grant_type=client_credentials&client_id={CLIENT}&client_secret={}",
                    self.secret
                ),
            ),
        };
        let url = format!("{}/realms/{realm}/protocol/openid-connect/token", self.url);
        let answer = self.runtime.block_on(async {
            let form_type = "application/x-www-form-urlencoded";
            let request = self
                .http
                .post(url)
                .header("content-type", form_type)
                .body(form);
            request.send().await.unwrap().text().await.unwrap()
        });
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        *kept = Some((token.clone(), Instant::now()));
        token
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        if matches!(self.admin, Admin::Root) {
            let _ = self.admin("DELETE", "", None);
        }
    }
}

/// A place of a test's own for locks and journals.
pub fn state() -> String {
    format!("s3://curated/.state/{}/", Lake::name("users"))
}

/// What a command that ended well has printed on stderr.
pub fn told(ran: Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran}");
    ran.stderr
}

/// The last run that was made here. Others make some in the same lake.
pub fn last_run(operator: &Operator) -> String {
    let runs = operator.run(&["log", "list", "--json"]).json();
    let here = runs
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["here"] == true);
    here.unwrap_or_else(|| panic!("{runs:#}"))["run"]
        .as_str()
        .unwrap()
        .to_owned()
}
