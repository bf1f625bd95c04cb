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

    /// Reads one page; what has a common start is skipped over and not read.
    pub(super) fn read(
        &self,
        catalog: &Catalog,
        tenant: &TenantId,
        bucket: &BucketName,
    ) -> Result<Listed, CatalogError> {
        let mut listed = Listed::default();
        let (mut from, mut count) = (self.from(), 0);
        let mut last = None;
        while count < self.limit {
            let limit = self.limit - count;
            let range = ObjectRange { prefix: self.prefix.clone(), from: from.clone(), limit };
            let page = catalog.list_objects(tenant, bucket, range)?;
            let is_end = page.next.is_none();
            let mut jumped = false;
            for object in page.items {
                let key = object.at.key.as_str();
                from = ObjectFrom::After(key.to_owned());
                count += 1;
                match self.common(key) {
                    Some(common) => {
                        from = ObjectFrom::Behind(common.clone());
                        last = Some(common.clone());
                        listed.prefixes.push(common);
                        // What follows has the same start, most likely.
                        jumped = true;
                        break;
                    }
                    None => {
                        last = Some(key.to_owned());
                        listed.objects.push(object);
                    }
                }
            }
            if is_end && !jumped {
                return Ok(listed);
            }
        }
        let range = ObjectRange { prefix: self.prefix.clone(), from, limit: 1 };
        if self.limit > 0 && !catalog.list_objects(tenant, bucket, range)?.items.is_empty() {
            listed.next = last;
        }
        Ok(listed)
    }

    /// The start that a key has in common with others.
    fn common(&self, key: &str) -> Option<String> {
        let rest = key.get(self.prefix.len()..).filter(|_| !self.delimiter.is_empty())?;
        let end = rest.find(&self.delimiter)? + self.delimiter.len();
        Some(key[..self.prefix.len() + end].to_owned())
    }

    /// Behind a common start comes what does not have it.
    fn from(&self) -> ObjectFrom {
        let Some(after) = self.after.clone() else { return ObjectFrom::Start };
        match self.common(&after) {
            Some(common) if common == after => ObjectFrom::Behind(after),
            _ => ObjectFrom::After(after),
        }
    }
}
