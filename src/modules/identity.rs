//! `identity::` — who may see what: users, the groups they are in, the roles in domains that these groups stand for.

use rhai::{Array, ImmutableString, Map};
use serde_json::{Value, json};

use super::stac::{absent, no_collection};
use crate::access::{Told, due};
use crate::clients::identity::Wanted;
use crate::effects::{Change, Membership};
use crate::engine::call::Call;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::{from_json, to_json};
use crate::error::Result;
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let about = "Who may see what: users, and their roles in domains.";
    let mut namespace = Namespace::new(session, "identity", about);
    meaning(&mut namespace);
    reading(&mut namespace);
    changing(&mut namespace);
    namespace
}

fn meaning(ns: &mut Namespace) {
    native! { ns,
        /// What keeps users and groups: `kind`, with `url` and `realm` (`keycloak`), or `file` or `configmap` (`authelia`).
        ///
        /// ```rhai
        /// identity::provider().kind
        /// //=> "keycloak"
        /// ```
        read fn provider(call) -> "map" { call.session().identity()?.provider() }

        /// The roles that somebody can have in a domain (`identity.roles`).
        ///
        /// ```rhai
        /// identity::roles()
        /// //=> ["reader", "writer", "admin"]
        /// ```
        read fn roles(call) -> "array" { Value::from(call.session().access()?.roles()) }

        /// What the catalogue is to say of a domain where these are the grants in it, each with `user` and `group`: `groups`
        /// (those that have somebody in them), `acl` (a digest of who is in which, or `()`). Who is named twice counts once, and
        /// the order is of no account.
        ///
        /// ```rhai
        /// let due = identity::due([#{user: "alice", group: "/dashi/raw/reader"}]);
        /// [due.groups, due.acl.starts_with("sha256:"), identity::due([])]
        /// //=> [["/dashi/raw/reader"], true, #{acl: (), groups: []}]
        /// ```
        read fn due(call, grants: Array) -> "map" {
            let due = due_of(grants)?;
            json!({"groups": due.groups, "acl": due.acl})
        }

        /// The collection as it is to be where these are the grants in it: with what is due in `dashi:access_groups` and
        /// `dashi:acl`, at the top and below `extra_fields`; where there are no grants, with neither.
        ///
        /// ```rhai
        /// let grants = identity::grants(#{domain: "klima-historisch"}).collect();
        /// let collection = identity::applied(stac::collection("klima-historisch"), grants);
        /// [collection["dashi:access_groups"].len(), collection.extra_fields["dashi:acl"] == collection["dashi:acl"], identity::applied(collection, [])["dashi:acl"]]
        /// //=> [2, true, ()]
        /// ```
        read fn applied(call, collection: Map, grants: Array) -> "map" {
            due_of(grants)?.applied(to_json(&collection.into())?)
        }

        /// The group whose members have a role in a domain (`identity.group`). An unknown role is told with the nearest.
        ///
        /// ```rhai
        /// identity::group("gelaende-umwelt", "reader")
        /// //=> "/dashi/gelaende-umwelt/reader"
        /// ```
        read fn group(call, domain: ImmutableString, role: ImmutableString) -> "string" {
            call.session().access()?.group(&domain, &role)?
        }
    }
}

fn reading(ns: &mut Namespace) {
    native! { ns,
        /// All users, by name: `user`, `name`, `email`, `enabled`, `id`.
        ///
        /// ```rhai
        /// identity::users(#{search: "alice"}).map(|user| user.email).collect()
        /// //=> ["alice@example.org"]
        /// ```
        read fn users(call) -> "Stream"
            options as options {
                /// Only those in whose name, surname or address this is.
                search: Text
            }
            {
                let search = options.text("search");
                call.stream("users", call.session().identity()?.users(search.as_deref())?)
            }

        /// How many users there are.
        ///
        /// ```rhai
        /// identity::count()
        /// //=> 5
        /// ```
        read fn count(call) -> "int"
            options as options {
                /// A bound on the whole call, retries and login included.
                timeout: Duration = "as configured"
            }
            {
                let identity = call.session().identity()?.within(options.duration("timeout")?);
                i64::try_from(call.wait(identity.count())?).unwrap_or(i64::MAX)
            }

        /// The user of this name: `user`, `name`, `email`, `enabled`, `id`, the paths of the `groups` they are in, and the
        /// `grants` that these are (`domain`, `role`, `group`). Throws `not_found`, with the nearest name.
        ///
        /// ```rhai
        /// identity::user("alice").grants
        /// //=> [#{domain: "gelaende-umwelt", group: "/dashi/gelaende-umwelt/reader", role: "reader"}]
        /// ```
        read fn user(call, name: ImmutableString) -> "map" {
            call.wait(call.session().identity()?.user(&name))?
        }

        /// The same, or `()` where there is no such user.
        ///
        /// ```rhai
        /// identity::try_user("nobody")
        /// //=> ()
        /// ```
        read fn try_user(call, name: ImmutableString) -> "map or ()" {
            absent(call.wait(call.session().identity()?.user(&name)))?
        }

        /// Who has which role in which domain, by domain, then in the order of the roles: `user`, `name`, `email`,
        /// `enabled`, `id`, `domain`, `role`, `group`.
        ///
        /// ```rhai
        /// identity::grants(#{domain: "gelaende-umwelt", role: "writer"}).map(|grant| grant.user).collect()
        /// //=> ["bela"]
        /// ```
        read fn grants(call) -> "Stream"
            options as options {
                /// Only in this domain.
                domain: Text,
                /// Only of this role.
                role: Text
            }
            {
                let identity = call.session().identity()?;
                let text = |name: &str| options.text(name).map(|text| text.to_string());
                let wanted = Wanted { domain: text("domain"), role: text("role") };
                if let Some(role) = &wanted.role {
                    identity.access().group("any", role)?;
                }
                call.stream("grants", identity.grants(wanted))
            }
    }
}

fn changing(ns: &mut Namespace) {
    native! { ns,
        /// Gives a user a role in a domain: puts them into its group, which is made where it is missing, and has the catalogue
        /// say which groups have access (`dashi:access_groups`, `dashi:acl`). If the catalogue does not take that, the user is
        /// taken out again. That they have the role already is fine. Throws `not_found` where there is no such user or domain.
        ///
        /// ```rhai
        /// identity::grant("bela", "klima-historisch", "reader");
        /// identity::user("bela").grants.map(|grant| `${grant.domain} ${grant.role}`)
        /// //=> ["gelaende-umwelt writer", "klima-historisch reader"]
        /// ```
        write fn grant(call, user: ImmutableString, domain: ImmutableString, role: ImmutableString) -> "map"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let (change, has_role) = membership(call, (&user, &domain, &role), true)?;
                let stac = call.session().stac()?;
                let collection = call.wait(stac.collection(&domain)).map_err(|error| no_collection(call, &domain, error))?;
                let due = || call.wait(call.session().identity()?.due(&domain));
                if has_role && Told::of(&collection) == Some(due()?) {
                    return Ok(from_json(change.value()));
                }
                call.change(Change::Membership(change), &options)?
            }

        /// Takes a role in a domain from a user: takes them out of its group, and has the catalogue say which groups have
        /// access. That they do not have it is fine. Throws `not_found` where there is no such user.
        ///
        /// ```rhai
        /// identity::revoke("alice", "gelaende-umwelt", "reader");
        /// identity::user("alice").grants
        /// //=> []
        /// ```
        destroy fn revoke(call, user: ImmutableString, domain: ImmutableString, role: ImmutableString) -> "map"
            options as options {
                /// Only where this run granted it.
                own: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let (change, has_role) = membership(call, (&user, &domain, &role), false)?;
                if !has_role {
                    return Ok(from_json(change.value()));
                }
                call.change(Change::Membership(change), &options)?
            }
    }
}

fn due_of(grants: Array) -> Result<Told> {
    let grants = to_json(&grants.into())?;
    Ok(due(grants.as_array().map_or(&[][..], Vec::as_slice)))
}

/// The change of who is in the group of a role in a domain, and whether the user is in it now. The user is called as
/// whoever keeps them does.
fn membership(
    call: &Call,
    (user, domain, role): (&str, &str, &str),
    joins: bool,
) -> Result<(Membership, bool)> {
    let identity = call.session().identity()?;
    let group = identity.access().group(domain, role)?;
    let found = call.wait(identity.user(user))?;
    let user = found["user"].as_str().unwrap_or(user).to_owned();
    let domain = domain.to_owned();
    let membership = Membership {
        user,
        group,
        joins,
        domain,
    };
    call.reads(&membership.target())?;
    let mut grants = found["grants"].as_array().into_iter().flatten();
    let has_role = grants.any(|grant| grant["group"] == membership.group);
    Ok((membership, has_role))
}
