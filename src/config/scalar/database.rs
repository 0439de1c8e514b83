//! URLs of databases.

use crate::config::{
    fault::Complaint,
    nearest::did_you_mean,
    scalar::{host, quoted},
};

/// What a database's URL looks like.
pub(in crate::config) const DATABASE: &str =
    "a URL such as \"postgres://changeover@10.0.0.5:5432/shop\"";

/// The port of PostgreSQL.
const PORT: u16 = 5432;

/// What a URL says about a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct DatabaseUrl {
    pub(in crate::config) host: String,
    pub(in crate::config) port: u16,
    pub(in crate::config) database: String,
    pub(in crate::config) user: String,
    /// Whether `sslmode=disable` switches TLS off.
    pub(in crate::config) is_plain: bool,
}

/// Reads `postgres://USER@HOST[:PORT]/DATABASE[?sslmode=verify-full|disable]`. Never shows what it read: a password may be
/// in it, where none belongs.
pub(in crate::config) fn database(text: &str) -> Result<DatabaseUrl, Complaint> {
    let wrong = |found: &str| Complaint::new(found, DATABASE);
    let rest = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"))
        .ok_or_else(|| wrong("a URL that does not begin with \"postgres://\""))?;
    let (rest, options) = match rest.split_once('?') {
        Some((rest, options)) => (rest, Some(options)),
        None => (rest, None),
    };
    let (authority, database) = rest
        .split_once('/')
        .filter(|(_, database)| !database.is_empty())
        .ok_or_else(|| wrong("a URL without a database"))?;
    let (user, place) = authority
        .rsplit_once('@')
        .ok_or_else(|| wrong("a URL without a role"))?;
    if user.contains(':') {
        let remedy = "leave out what stands between the colon and the @, and name it with \
                      old_password_file or old_password_env (new_… for new)";
        return Err(wrong("a URL with a password").remedy(remedy));
    }
    if !is_plain_name(user) || !is_plain_name(database) {
        let found = "a role or database with other characters than letters, digits, \"_\", \"-\", \".\", \"$\"";
        return Err(wrong(found));
    }
    let (name, port) = match place.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port_of(port)?),
        _ => (place, PORT),
    };
    Ok(DatabaseUrl {
        host: host(name)?,
        port,
        database: database.to_owned(),
        user: user.to_owned(),
        is_plain: options.map_or(Ok(false), is_plain)?,
    })
}

fn is_plain_name(text: &str) -> bool {
    let is_plain = |it: char| it.is_alphanumeric() || "_-.$".contains(it);
    (1..=63).contains(&text.len()) && text.chars().all(is_plain)
}

fn port_of(text: &str) -> Result<u16, Complaint> {
    let digits = text.bytes().all(|it| it.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or_else(|| Complaint::new(quoted(text), "a port from 1 to 65535"))
}

fn is_plain(options: &str) -> Result<bool, Complaint> {
    const MODES: [&str; 2] = ["verify-full", "disable"];
    let expected = "nothing after \"?\" but \"sslmode=verify-full\" or \"sslmode=disable\"";
    match options.split_once('=') {
        Some(("sslmode", "verify-full")) => Ok(false),
        Some(("sslmode", "disable")) => Ok(true),
        Some(("sslmode", mode @ ("allow" | "prefer" | "require" | "verify-ca"))) => {
            let complaint = Complaint::new(format!("sslmode={mode}"), expected);
            Err(complaint.remedy("whoever stands between could read it or answer for the database"))
        }
        Some(("sslmode", mode)) => {
            let near = did_you_mean(mode, MODES);
            Err(Complaint::new("another sslmode", expected).maybe(near))
        }
        _ => Err(Complaint::new("other options", expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_databases() {
        let check = |text: &str, expected: Option<(&str, u16, &str, &str, bool)>| {
            let read = database(text).ok();
            let read = read.as_ref().map(|it| {
                let (host, database, user) = (&it.host, &it.database, &it.user);
                (&**host, it.port, &**database, &**user, it.is_plain)
            });
            assert_eq!(read, expected, "{text:?}");
        };
        let plain = Some(("10.0.0.5", 5432, "shop", "ada", false));
        check("postgres://ada@10.0.0.5/shop", plain);
        check("postgresql://ada@10.0.0.5:5432/shop", plain);
        check("postgres://ada@10.0.0.5/shop?sslmode=verify-full", plain);
        let other = Some(("::1", 6000, "shop", "ada", true));
        check("postgres://ada@[::1]:6000/shop?sslmode=disable", other);
        check("postgres://ada@10.0.0.5/shop?sslmode=require", None);
        check("postgres://ada@10.0.0.5/shop?sslmode=disabled", None);
        check("postgres://ada@10.0.0.5/shop?connect_timeout=5", None);
        check("postgres://10.0.0.5/shop", None);
        check("postgres://ada@10.0.0.5/", None);
        check("postgres://ada@10.0.0.5", None);
        check("postgres://ada@/shop", None);
        check("postgres://ada@10.0.0.5:0/shop", None);
        check("postgres://ada@10.0.0.5/shop/more", None);
        check("mysql://ada@10.0.0.5/shop", None);
        check("", None);
    }

    #[test]
    fn never_shows_a_password() {
        for text in [
            "postgres://ada:hunter2@a.test/shop",
            "postgres:hunter2@a.test/shop",
            "postgres://a.test/shop?password=hunter2",
            "postgres://ada@a.test/shop?password=hunter2",
        ] {
            let complaint = database(text).expect_err("refused");
            assert!(!complaint.to_string().contains("hunter2"), "{complaint}");
        }
    }
}
