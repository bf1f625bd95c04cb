//! Listings of objects by key: those with the same start up to a delimiter share one line.

use super::errors::ApiError;
use crate::catalog::Catalog;
use crate::domain::{BucketName, CatalogError, InboxObject, ObjectFrom, ObjectRange, TenantId};

/// Lines of one page at most; S3 returns as many when a client asks for more.
const PAGE_MAX: u64 = 1000;

/// Reads the number of lines that a client asks for, in a parameter that a refusal calls `name`.
pub(super) fn page_limit(asked: Option<i32>, name: &str) -> Result<u64, ApiError> {
    let Some(asked) = asked else { return Ok(PAGE_MAX) };
    let limit = u64::try_from(asked).map(|asked| asked.min(PAGE_MAX));
    limit.map_err(|_| ApiError::invalid(format!("{name} must not be below zero")))
}

/// The listing that a client asks for.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) prefix: String,
    /// Empty: every object has its own line.
    pub(super) delimiter: String,
    /// The key or the common start behind which the page begins.
    pub(super) after: Option<String>,
    /// Lines of the page.
    pub(super) limit: u64,
}

/// One page of a listing.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) objects: Vec<InboxObject>,
    /// The common starts of keys, each with the delimiter at its end.
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins; `None` on the last one.
    pub(super) next: Option<String>,
}

impl Listing {
    /// Reads one page; keys with a common start are skipped behind the first.
    pub(super) fn read(
        &self,
        catalog: &Catalog,
        tenant: &TenantId,
        bucket: &BucketName,
    ) -> Result<Listed, CatalogError> {
        let mut listed = Listed::default();
        let (mut from, mut last) = (self.start(), None);
        let list = |from: &ObjectFrom, limit| {
            let (prefix, from) = (self.prefix.clone(), from.clone());
            let page = catalog.list_objects(tenant, bucket, ObjectRange { prefix, from, limit })?;
            Ok::<_, CatalogError>(page.items)
        };
        // Rows behind a common start are read in vain: their number grows only while no object of
        // the batch has one.
        let mut rows = if self.delimiter.is_empty() { self.limit } else { 1 };
        let mut left = self.limit;
        while left > 0 {
            let asked = rows.min(left);
            let objects = list(&from, asked)?;
            let (is_last, mut jumped) = ((objects.len() as u64) < asked, false);
            for object in objects {
                left -= 1;
                if let Some(common) = self.common(object.at.key.as_str()) {
                    from = ObjectFrom::Behind(common.clone());
                    last = Some(common.clone());
                    listed.prefixes.push(common);
                    jumped = true;
                    break;
                }
                let key = object.at.key.to_string();
                from = ObjectFrom::After(key.clone());
                last = Some(key);
                listed.objects.push(object);
            }
            if is_last && !jumped {
                return Ok(listed);
            }
            rows = if jumped { 1 } else { rows * 2 };
        }
        if self.limit > 0 && !list(&from, 1)?.is_empty() {
            listed.next = last;
        }
        Ok(listed)
    }

    /// Returns where the page begins: behind a common start, at the first key without it.
    fn start(&self) -> ObjectFrom {
        match &self.after {
            None => ObjectFrom::Start,
            Some(after) if self.common(after).as_ref() == Some(after) => {
                ObjectFrom::Behind(after.clone())
            }
            Some(after) => ObjectFrom::After(after.clone()),
        }
    }

    /// Returns the start that a key shares with others.
    fn common(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.prefix).filter(|_| !self.delimiter.is_empty())?;
        let end = rest.find(&self.delimiter)? + self.delimiter.len();
        Some(key[..self.prefix.len() + end].to_owned())
    }
}
