//! `layerbase key …`: the keys that a server with `--auth on` accepts.
//!
//! Works on the data folder. Prints a secret once, when the key is made; a token made from the
//! secret does not reveal it.

use std::io::{self, Read};

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::json;
use serde_json::value::to_raw_value;

use super::failure::Failure;
use super::folder::{DataFolder, random};
use super::output::Output;
use crate::config::duration;
use crate::dialects::openyuanrong_token;
use crate::domain::{
    Actor, CatalogError, Key, KeyId, Noun, Role, Secret, TenantId, parse_key_tenant,
};

/// The prefix of every generated id.
const ID_START: &str = "LB";

const ID_REST: usize = 18;
const SECRET_LENGTH: usize = 40;

const ID_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const SECRET_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Most bytes of standard input that are read for a secret, more than any secret may have.
const INPUT_MAX: u64 = 4096;

/// The commands about keys and the data folder.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(flatten)]
    folder: DataFolder,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key and print its secret, once
    #[command(after_help = ADD_HELP)]
    Add(Add),
    /// List the keys, without their secrets
    Ls,
    /// Refuse a key until it is enabled again
    Disable {
        /// The key's id
        #[arg(value_parser = key_id)]
        id: KeyId,
    },
    /// Accept a disabled key again
    Enable {
        /// The key's id
        #[arg(value_parser = key_id)]
        id: KeyId,
    },
    /// Delete a key; layers and functions published with it stay
    Rm {
        /// The key's id
        #[arg(value_parser = key_id)]
        id: KeyId,
    },
    /// Print a token for openYuanrong's X-Auth, as yrcli --jwt-token takes it
    #[command(after_help = TOKEN_HELP)]
    Token {
        /// The key's id
        #[arg(value_parser = key_id)]
        id: KeyId,
        /// How long the token is valid, such as 15m, 12h or 90d [default: as long as the key]
        #[arg(long, value_name = "DURATION", value_parser = length)]
        expires: Option<SignedDuration>,
    },
    /// Invalidate all download links issued so far
    RotateLinks,
}

#[derive(Debug, Args)]
struct Add {
    /// The tenant whose layers and functions the key is for; a new name makes a new tenant
    #[arg(long, default_value = "default", value_parser = tenant)]
    tenant: TenantId,
    /// What the key allows: 'read' to list and download, 'write' also to publish and delete,
    /// 'admin' also to read the log
    #[arg(long, default_value = "write", value_parser = ["read", "write", "admin"])]
    role: String,
    /// The key's id, 4 to 128 letters, digits, '_' and '-' [default: a random one]
    #[arg(long, value_parser = key_id)]
    id: Option<KeyId>,
    /// Read the secret, one line, from standard input instead of making one; it is not printed then
    #[arg(long)]
    secret_stdin: bool,
}

/// The end of `layerbase key --help`.
pub(super) const HELP: &str = "\
Examples:
  layerbase key add
  layerbase key add --tenant team-a --role read --data /var/lib/layerbase
  layerbase key ls
  layerbase key disable LBX4T0V7Q2M9K1C8R5Z3
  layerbase key rotate-links

Keys have an effect only on a server with --auth on. These commands work on the data folder; a
server that runs on it applies the change from its next request on.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such key or no catalog, 4 the id is taken.";

const ADD_HELP: &str = "\
Examples:
  layerbase key add
  layerbase key add --role admin --json > key.json
  layerbase key add --id AKIDEXAMPLE --secret-stdin < secret.txt

Each cloud's SDK signs with the id and the secret, which it calls access key id and secret, AK and
SK, or SecretId and SecretKey. The token is both in one text, for the native API (Authorization:
Bearer), this command line (LAYERBASE_KEY) and Huawei's X-Auth-Token. openYuanrong's clients take a
token of their own, which `layerbase key token` can make again. The secret is not printed again.";

const TOKEN_HELP: &str = "\
Examples:
  layerbase key token LBX4T0V7Q2M9K1C8R5Z3
  yrcli --jwt-token \"$(layerbase key token LBX4T0V7Q2M9K1C8R5Z3 --expires 12h)\" list

The token is made from the key in the data folder and is not sent anywhere. Any client that has it
acts as the key's tenant, with the key's role, until it expires or the key is disabled or deleted.";

/// Runs one command about keys.
pub(super) fn run(arguments: &KeyArgs, output: &mut Output<'_>) -> Result<(), Failure> {
    let folder = &arguments.folder;
    match &arguments.command {
        KeyCommand::Add(add) => self::add(add, folder, output),
        KeyCommand::Ls => list(folder, output),
        KeyCommand::Disable { id } => {
            folder.open()?.enable_key(&Actor::owner("DisableKey"), id, false)?;
            output.note(&format!("disabled key {id}"));
            Ok(())
        }
        KeyCommand::Enable { id } => {
            folder.open()?.enable_key(&Actor::owner("EnableKey"), id, true)?;
            output.note(&format!("enabled key {id}"));
            Ok(())
        }
        KeyCommand::Rm { id } => {
            folder.open()?.delete_key(&Actor::owner("DeleteKey"), id)?;
            output.note(&format!("deleted key {id}"));
            Ok(())
        }
        KeyCommand::Token { id, expires } => token(id, *expires, folder, output),
        KeyCommand::RotateLinks => {
            folder.open()?.rotate_link_secret(&Actor::owner("RotateLinks"), random()?)?;
            output.note("all download links issued so far are invalid");
            Ok(())
        }
    }
}

/// A new key as it is printed, once.
#[derive(Serialize)]
struct Made<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    tenant: &'a str,
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    openyuanrong_token: Option<String>,
}

fn add(add: &Add, folder: &DataFolder, output: &mut Output<'_>) -> Result<(), Failure> {
    let id = match &add.id {
        Some(id) => id.clone(),
        None => KeyId::parse(format!("{ID_START}{}", random_text(ID_LETTERS, ID_REST)?))?,
    };
    let secret = if add.secret_stdin {
        Secret::parse(line(io::stdin())?)?
    } else {
        Secret::parse(random_text(SECRET_LETTERS, SECRET_LENGTH)?)?
    };
    let role = Role::parse(&add.role)
        .ok_or_else(|| Failure::usage(format!("'{}' is not a role", add.role)))?;
    let catalog = folder.open_or_make(output)?;
    let is_new = catalog.list_tenants()?.iter().all(|(tenant, _)| *tenant != add.tenant);
    let key = catalog.add_key(&Actor::owner("AddKey"), id, secret, add.tenant.clone(), role)?;
    if is_new {
        output.note(&format!("made a new tenant {}", add.tenant));
    }
    // The operator has a secret from standard input already; the output may end up in a log.
    let secret = (!add.secret_stdin).then(|| key.secret.reveal());
    let made = Made {
        id: key.id.as_str(),
        secret,
        tenant: key.tenant.as_str(),
        role: key.role.as_str(),
        token: secret.map(|secret| format!("{}.{secret}", key.id)),
        openyuanrong_token: secret.map(|_| openyuanrong_token(&key.secret, &key.tenant, None)),
    };
    if output.json() {
        return output.line(&to_json(&made)?);
    }
    output.fields(&[
        ("id", made.id.to_owned()),
        ("secret", made.secret.unwrap_or_default().to_owned()),
        ("tenant", made.tenant.to_owned()),
        ("role", made.role.to_owned()),
        ("token", made.token.unwrap_or_default()),
        ("openyuanrong", made.openyuanrong_token.unwrap_or_default()),
    ])?;
    if secret.is_some() {
        output.note("store the secret now: it is not printed again");
    }
    Ok(())
}

fn token(
    id: &KeyId,
    expires: Option<SignedDuration>,
    folder: &DataFolder,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let keys = folder.open()?.list_keys()?;
    let key = keys.into_iter().find(|key| key.id == *id);
    let key = key.ok_or_else(|| CatalogError::not_found(Noun::Key, id))?;
    let until = match expires {
        Some(length) => Some(output.now().checked_add(length).map_err(|_| {
            Failure::usage("the token would expire after the last date that can be written")
        })?),
        None => None,
    };
    let token = openyuanrong_token(&key.secret, &key.tenant, until);
    if !key.enabled {
        output.note(&format!("key {id} is disabled, so its tokens are refused"));
    }
    if output.json() {
        let expires_at = until.map(|at| at.to_string());
        return output.line(&json!({ "token": token, "expires_at": expires_at }).to_string());
    }
    output.line(&token)
}

/// A key in a list, without its secret.
#[derive(Serialize)]
struct Listed {
    id: String,
    tenant: String,
    role: &'static str,
    enabled: bool,
    created_at: String,
    last_used_at: Option<String>,
}

impl From<&Key> for Listed {
    fn from(key: &Key) -> Self {
        Self {
            id: key.id.to_string(),
            tenant: key.tenant.to_string(),
            role: key.role.as_str(),
            enabled: key.enabled,
            created_at: key.created.to_string(),
            last_used_at: key.last_used.map(|at| at.to_string()),
        }
    }
}

fn list(folder: &DataFolder, output: &mut Output<'_>) -> Result<(), Failure> {
    let keys: Vec<Listed> = folder.open()?.list_keys()?.iter().map(Listed::from).collect();
    if output.json() {
        return output.array(|item| {
            keys.iter().try_for_each(|key| item(&to_raw_value(key).map_err(unwritten)?))
        });
    }
    if keys.is_empty() {
        output.note("no keys; `layerbase key add` makes one");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = keys
        .into_iter()
        .map(|key| {
            let state = if key.enabled { "enabled" } else { "disabled" };
            let used = key.last_used_at.map_or("never".to_owned(), |at| output.age(&at));
            let created = output.age(&key.created_at);
            vec![key.id, key.tenant, key.role.to_owned(), state.to_owned(), created, used]
        })
        .collect();
    output.table(&["ID", "TENANT", "ROLE", "STATE", "CREATED", "LAST USED"], &rows)
}

fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(unwritten)
}

fn unwritten(error: serde_json::Error) -> Failure {
    Failure::failed(format!("the result cannot be written: {error}"))
}

fn key_id(text: &str) -> Result<KeyId, CatalogError> {
    KeyId::parse(text)
}

fn tenant(text: &str) -> Result<TenantId, CatalogError> {
    parse_key_tenant(text)
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let length = duration::parse(text).filter(|length| !length.is_zero());
    let length = length.and_then(|length| SignedDuration::try_from(length).ok());
    length.ok_or_else(|| format!("must be {} and above 0", duration::FORMS))
}

fn random_text(letters: &[u8], length: usize) -> Result<String, Failure> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes: [u8; 64] = random()?;
        let left = length - text.len();
        text.extend(spell(letters, &bytes).take(left));
    }
    Ok(text)
}

/// Turns random bytes into uniformly distributed letters: skips bytes at or above the largest
/// multiple of the number of letters.
fn spell<'a>(letters: &'a [u8], bytes: &'a [u8]) -> impl Iterator<Item = char> + use<'a> {
    let even = 256 - 256 % letters.len();
    let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(move |byte| *byte < even);
    fair.map(|byte| char::from(letters[byte % letters.len()]))
}

/// Reads the single line of an input, without its line end.
fn line(input: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    // The error does not repeat the text: even a mistyped secret must not be printed.
    input
        .take(INPUT_MAX)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("standard input is not a secret: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(Failure::usage("standard input must be the secret, on one line"));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_as_likely_as_any_other() {
        let bytes: Vec<u8> = (0..=255).collect();
        for letters in [ID_LETTERS, SECRET_LETTERS] {
            let text: String = spell(letters, &bytes).collect();
            let each = 256 / letters.len();
            for letter in letters {
                assert_eq!(text.bytes().filter(|other| other == letter).count(), each);
            }
        }
    }

    #[test]
    fn generated_texts_are_long_enough_and_not_the_same() {
        let id = random_text(ID_LETTERS, ID_REST).unwrap();
        let secret = random_text(SECRET_LETTERS, SECRET_LENGTH).unwrap();
        assert_eq!((id.len(), secret.len()), (ID_REST, SECRET_LENGTH));
        assert_ne!(secret, random_text(SECRET_LETTERS, SECRET_LENGTH).unwrap());
    }

    #[test]
    fn a_secret_is_one_line() {
        for (input, secret) in [("a b", "a b"), ("secret\n", "secret"), ("secret\r\n", "secret")] {
            assert_eq!(line(input.as_bytes()).unwrap(), secret);
        }
        let refusal = line(&b"first-secret\nsecond\n"[..]).unwrap_err();
        assert!(!refusal.what.contains("first-secret"), "{refusal:?}");
        assert!(line(&b"\xff\n"[..]).is_err());
    }
}
