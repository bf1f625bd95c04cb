//! Listings: by key, with what is the same up to a delimiter taken together.

use crate::catalog::Catalog;
use crate::domain::{BucketName, CatalogError, InboxObject, ObjectFrom, ObjectRange, TenantId};

/// Lines of one page, and what S3 gives when more are asked for.
const PAGE_MAX: u64 = 1000;

/// What a listing asks for.
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
    /// What several keys have in common, up to and with the delimiter.
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins; `None` on the last one.
    pub(super) next: Option<String>,
}

impl Listing {
    /// Reads the number of lines; S3 gives a thousand at the most without a word.
    pub(super) fn lines(asked: Option<i32>) -> Option<u64> {
        asked.map_or(Some(PAGE_MAX), |asked| u64::try_from(asked).ok().map(|it| it.min(PAGE_MAX)))
    }

    /// Reads one page. What has a common start is read once and skipped over.
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
        // Behind one common start there may be another: more rows only while there is none.
        let mut rows = if self.delimiter.is_empty() { self.limit } else { 1 };
        let mut left = self.limit;
        while left > 0 {
            let asked = rows.min(left);
            let objects = list(&from, asked)?;
            if (objects.len() as u64) < asked {
                rows = u64::MAX;
            }
            let mut jumped = false;
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
            rows = match (jumped, rows) {
                (true, _) => 1,
                // There were no more.
                (false, u64::MAX) => return Ok(listed),
                (false, rows) => rows * 2,
            };
        }
        if self.limit > 0 && !list(&from, 1)?.is_empty() {
            listed.next = last;
        }
        Ok(listed)
    }

    /// Where the page begins: behind a common start comes what does not have it.
    fn start(&self) -> ObjectFrom {
        match &self.after {
            None => ObjectFrom::Start,
            Some(after) if self.common(after).as_ref() == Some(after) => {
                ObjectFrom::Behind(after.clone())
            }
            Some(after) => ObjectFrom::After(after.clone()),
        }
    }

    /// The start that a key has in common with others.
    fn common(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.prefix).filter(|_| !self.delimiter.is_empty())?;
        let end = rest.find(&self.delimiter)? + self.delimiter.len();
        Some(key[..self.prefix.len() + end].to_owned())
    }
}
