//! `layerbase env DIALECT`: what to set so that a cloud's own clients talk to this server.
//!
//! Prints each dialect's guide, and sends nothing. The output is shell text: variables as exports,
//! settings that go into code as comments.

use clap::Args;
use serde_json::{Map, Value};

use super::access::KEY;
use super::failure::Failure;
use super::output::Output;
use crate::dialects;
use crate::dialects::guide::{Guide, KEY_ID, KEY_SECRET};
use crate::domain::KeyId;

/// Which cloud's clients.
#[derive(Debug, Args)]
pub(super) struct Env {
    /// The dialect
    #[arg(value_parser = dialects::known().names)]
    dialect: String,
}

/// What `layerbase env --help` ends with.
pub(super) const HELP: &str = "\
Examples:
  layerbase env tencent
  eval \"$(layerbase env tencent --server http://127.0.0.1:8470)\"
  layerbase env huawei --json

Variables are printed as exports for a POSIX shell, what goes into code as comments. Where
LAYERBASE_KEY is set, the exports take id and secret from it; the secret itself is never printed.";

/// What stands for a key's halves where the server asks for none.
const ANY: &str = "local";

/// Prints what to set; `key_id` is the public half of the key in the environment.
pub(super) fn run(
    env: &Env,
    server: &str,
    key_id: Option<&KeyId>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let server = server.trim_end_matches('/');
    // Alibaba's uploader puts its bucket before a host name; only an address stays as it is.
    let url = match server.strip_prefix("http://localhost") {
        Some(rest) => format!("http://127.0.0.1{rest}"),
        None => server.to_owned(),
    };
    let (scheme, authority) = url.split_once("://").unwrap_or(("http", &url));
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let fill = |text: &str| {
        let text = text.replace("{url}", &url).replace("{host}", authority);
        text.replace("{scheme}", scheme).replace("{SCHEME}", &scheme.to_uppercase())
    };
    let guide = guide(&env.dialect)?;
    if output.json() {
        let variables: Map<String, Value> = guide
            .variables
            .iter()
            .filter(|(_, text)| *text != KEY_SECRET || key_id.is_none())
            .map(|(name, text)| {
                let text = match *text {
                    KEY_ID => key_id.map_or(ANY, KeyId::as_str).to_owned(),
                    KEY_SECRET => ANY.to_owned(),
                    text => fill(text),
                };
                ((*name).to_owned(), text.into())
            })
            .chain(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), host.into())))
            .collect();
        return output.line(&Value::Object(variables).to_string());
    }
    output.line(&format!("# {} at {url}", guide.title))?;
    for line in about_keys(guide, key_id).lines() {
        output.line(&format!("# {line}"))?;
    }
    for (name, text) in guide.variables {
        let value = match (*text, key_id) {
            // Taken apart by the shell that reads this, so that no secret is printed.
            (KEY_ID, Some(_)) => format!("\"${{{KEY}%%.*}}\""),
            (KEY_SECRET, Some(_)) => format!("\"${{{KEY}#*.}}\""),
            (KEY_ID | KEY_SECRET, None) => ANY.to_owned(),
            (text, _) => quote(&fill(text)),
        };
        output.line(&format!("export {name}={value}"))?;
    }
    for name in ["NO_PROXY", "no_proxy"] {
        output.line(&format!("export {name}={}\"${{{name}:+,${name}}}\"", quote(host)))?;
    }
    for line in fill(guide.code).lines() {
        output.line(format!("# {line}").trim_end())?;
    }
    Ok(())
}

/// Says which key to use and where it goes.
fn about_keys(guide: &Guide, key_id: Option<&KeyId>) -> String {
    let place = guide.key;
    match key_id {
        Some(id) if !guide.code.contains(ANY) => {
            format!("The key {id} of {KEY} is for\n{place}.")
        }
        Some(id) => format!(
            "The key {id} of {KEY}, <key id>.<secret>, goes where \"{ANY}\" stands below:\n{place}."
        ),
        None => format!(
            "With --auth off the server takes any key; \"{ANY}\" stands for it. With --auth on, make\n\
             one with `layerbase key add` and set {KEY}=<key id>.<secret>; it goes into\n{place}."
        ),
    }
}

/// Quotes a text for a POSIX shell where it needs it.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/@".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Returns the guide of a dialect that the arguments may name.
fn guide(dialect: &str) -> Result<&'static Guide, Failure> {
    let guide = dialects::guide_of(dialect);
    guide.ok_or_else(|| Failure::usage(format!("there is no dialect '{dialect}'")))
}

#[cfg(test)]
mod tests {
    use super::super::output::Form;
    use super::*;

    fn printed(dialect: &str, server: &str, json: bool) -> String {
        printed_with(dialect, server, None, json)
    }

    fn printed_with(dialect: &str, server: &str, key_id: Option<&KeyId>, json: bool) -> String {
        let (mut results, mut notes) = (Vec::new(), Vec::new());
        let form = Form { json, quiet: false };
        let mut output = Output::new(&mut results, &mut notes, form, jiff::Timestamp::UNIX_EPOCH);
        run(&Env { dialect: dialect.to_owned() }, server, key_id, &mut output).unwrap();
        String::from_utf8(results).unwrap()
    }

    #[test]
    fn every_dialect_has_its_own_guide_to_this_server() {
        let mut titles = Vec::new();
        for dialect in dialects::known().names {
            titles.push(guide(dialect).unwrap().title);
            let text = printed(dialect, "http://localhost:9000/", false);
            assert!(text.contains("127.0.0.1:9000"), "{text}");
            assert!(!text.contains("localhost") && !text.contains("{url}"), "{text}");
            let shell = |line: &str| line.starts_with('#') || line.starts_with("export ");
            assert!(text.lines().all(shell), "{text}");
        }
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), dialects::known().names.len());
    }

    #[test]
    fn exports_are_fit_for_eval_and_json_for_programs() {
        let text = printed("tencent", "http://[::1]:9000", false);
        assert!(text.contains("export TENCENTCLOUD_SECRET_ID=local\n"), "{text}");
        assert!(text.contains("export NO_PROXY='[::1]'\"${NO_PROXY:+,$NO_PROXY}\"\n"), "{text}");
        let json: Value = serde_json::from_str(&printed("native", "http://h:1", true)).unwrap();
        assert_eq!(json["LAYERBASE_SERVER"], "http://h:1");
        assert_eq!(json["NO_PROXY"], "h");
        for dialect in dialects::known().names {
            let text = printed(dialect, "https://h:1", false);
            assert!(!text.contains("\"http\"") && !text.contains("SCHEME"), "{text}");
        }
        assert_eq!(quote("a'b c"), "'a'\\''b c'");
    }

    #[test]
    fn the_key_is_taken_from_the_environment_by_the_shell() {
        let key = KeyId::parse("LBTEST").unwrap();
        for dialect in dialects::known().names {
            let without = printed(dialect, "http://h:1", false);
            assert!(without.contains("layerbase key add"), "{without}");
            let with = printed_with(dialect, "http://h:1", Some(&key), false);
            assert!(with.contains("LBTEST") && !with.contains("=local\n"), "{with}");
        }
        let text = printed_with("tencent", "http://h:1", Some(&key), false);
        let exports: Vec<&str> =
            text.lines().filter(|line| line.contains("TENCENTCLOUD_SECRET")).collect();
        let script = format!("{KEY}=LBTEST.a.b\n{}\n", exports.join("\n"));
        let print = "echo \"$TENCENTCLOUD_SECRET_ID $TENCENTCLOUD_SECRET_KEY\"";
        let shell = std::process::Command::new("sh").args(["-c", &(script + print)]).output();
        assert_eq!(String::from_utf8(shell.unwrap().stdout).unwrap(), "LBTEST a.b\n");
        let json = printed_with("huawei", "http://h:1", Some(&key), true);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["HUAWEICLOUD_SDK_AK"], "LBTEST");
        assert!(json.get("HUAWEICLOUD_SDK_SK").is_none());
    }
}
