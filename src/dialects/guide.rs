//! The text of `layerbase env` for a dialect's clients.

/// Stands for the id of a key.
pub const KEY_ID: &str = "{id}";

/// Stands for the secret of a key.
pub const KEY_SECRET: &str = "{secret}";

/// How to point the clients of one dialect at this server.
///
/// In values and in code `{url}`, `{host}`, `{scheme}` and `{SCHEME}` stand for the server's.
pub struct Guide {
    /// The API with its version.
    pub title: &'static str,
    /// The names that its clients have for a key.
    pub key: &'static str,
    /// Environment variables of its clients, with values that may be [`KEY_ID`] or [`KEY_SECRET`].
    pub variables: &'static [(&'static str, &'static str)],
    /// Settings in code, as text for people.
    pub code: &'static str,
}
