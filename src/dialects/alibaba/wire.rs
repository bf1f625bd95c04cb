//! What all records need: the account and its ARNs (alibaba.md section 5).

pub(super) mod layers;
pub(super) mod tokens;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use md5::{Digest, Md5};

use super::errors::ApiError;
use super::errors::generation::Generation;
use crate::app::App;
use crate::dialects::links::Links;
use crate::dialects::refusal::Refused;
use crate::dialects::tenants;
use crate::domain::{Caller, CatalogError, CloudIdField, LayerName, Noun, Stamp, VersionNumber};

/// The account in ARNs.
pub(super) const ACCOUNT: CloudIdField = CloudIdField {
    name: "alibaba_account",
    about: "account id, digits",
    rule: "must be decimal digits, such as \"1234567890123456\"",
    parse: tenants::digits,
};

/// The parts of records that the catalog does not store.
pub(super) struct Renderer {
    app: App,
    generation: Generation,
    links: Links,
    account: String,
    /// Replaces the account in an ARN of the first form.
    account_hash: String,
}

impl<S> FromRequestParts<S> for Renderer
where
    S: Sync,
    App: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refused> {
        let app = App::from_ref(state);
        let links = Links::from_request_parts(head, state).await?;
        let caller = Caller::from_request_parts(head, state).await?;
        let tenant = caller.tenant();
        let derived = || tenants::decimal(tenant, "alibaba account", 16).to_string();
        let stamp = Stamp::from_request_parts(head, state).await?;
        let ids = app.cloud_ids(&stamp, tenant);
        let account = ids.get(ACCOUNT.name).map_or_else(derived, str::to_owned);
        let account_hash = hex::encode(Md5::digest(account.as_bytes()));
        let generation = Generation::of(head.uri.path());
        Ok(Self { app, generation, links, account, account_hash })
    }
}

impl Renderer {
    /// Parses a layer version's ARN in either form. One of another account names no layer here.
    pub(super) fn parse_arn(&self, arn: &str) -> Result<(LayerName, VersionNumber), ApiError> {
        let (owner, name, number) = split_arn(arn).ok_or_else(|| {
            ApiError::invalid(format!("arn '{arn}' is not the ARN of a layer version"))
        })?;
        if owner != self.account && owner != self.account_hash {
            return Err(CatalogError::not_found(Noun::Layer, arn).into());
        }
        let name = LayerName::parse(name);
        let name = name.map_err(|refusal| ApiError::invalid(refusal.to_string()))?;
        Ok((name, number))
    }
}

/// Splits an ARN into the account or its hash, the layer and the version.
fn split_arn(arn: &str) -> Option<(&str, &str, VersionNumber)> {
    let (owner, name, number) = match arn.strip_prefix("acs:fc:") {
        Some(rest) => {
            let (_region, rest) = rest.split_once(':')?;
            let (account, rest) = rest.split_once(":layers/")?;
            let (name, number) = rest.split_once("/versions/")?;
            (account, name, number)
        }
        None => {
            let (hash, rest) = arn.split_once('#')?;
            let (name, number) = rest.rsplit_once('#')?;
            (hash, name, number)
        }
    };
    Some((owner, name, VersionNumber::parse(number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_arn_are_split() {
        let one = VersionNumber::FIRST;
        assert_eq!(split_arn("ab#my#layer#1"), Some(("ab", "my#layer", one)));
        let second = "acs:fc:cn-hangzhou:123:layers/my:layer/versions/1";
        assert_eq!(split_arn(second), Some(("123", "my:layer", one)));
        for bad in ["", "ab", "ab#x", "ab#x#0", "ab#x#1a", "acs:fc:r:1:functions/f", "acs:fc:#x#1"]
        {
            assert_eq!(split_arn(bad), None, "{bad}");
        }
    }
}
