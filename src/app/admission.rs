//! Admission: permits for concurrent requests and uploads, and the rate limit of each key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::Config;
use crate::domain::{KeyId, RequestError, RequestLimit, Timestamp};

/// How long an upload waits for its permit. Clients wait at least as long for an answer.
const WAIT_MAX: Duration = Duration::from_secs(50);

/// Bodies of more than a few KiB that may be in memory while they arrive; further ones go to files.
const IN_MEMORY: usize = 64;

/// The permits and rates of the server.
pub(super) struct Admission {
    requests: Semaphore,
    requests_max: u64,
    in_memory: Semaphore,
    uploads: Semaphore,
    uploads_max: u64,
    /// Requests of one key in one second.
    rate_max: Option<u32>,
    /// The second of each key's last request, and its requests in that second.
    rates: Mutex<HashMap<KeyId, (i64, u32)>>,
}

impl Admission {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            requests: Semaphore::new(config.max_requests),
            requests_max: config.max_requests as u64,
            in_memory: Semaphore::new(IN_MEMORY),
            uploads: Semaphore::new(config.max_uploads),
            uploads_max: config.max_uploads as u64,
            rate_max: config.rate_limit,
            rates: Mutex::default(),
        }
    }

    /// Takes a permit for a request, or refuses at once: a queue of requests would only grow.
    pub(super) fn start_request(&self) -> Result<SemaphorePermit<'_>, RequestError> {
        let permit = self.requests.try_acquire();
        permit.map_err(|_| exhausted(RequestLimit::Requests, self.requests_max))
    }

    /// Takes a permit for a body that arrives in memory, if one is free.
    pub(super) fn start_in_memory(&self) -> Option<SemaphorePermit<'_>> {
        self.in_memory.try_acquire().ok()
    }

    /// Waits for a permit for a large body.
    pub(super) async fn start_upload(&self) -> Result<SemaphorePermit<'_>, RequestError> {
        self.start_upload_within(WAIT_MAX).await
    }

    async fn start_upload_within(
        &self,
        wait_max: Duration,
    ) -> Result<SemaphorePermit<'_>, RequestError> {
        let permit = tokio::time::timeout(wait_max, self.uploads.acquire()).await;
        let permit = permit.ok().and_then(Result::ok);
        permit.ok_or_else(|| exhausted(RequestLimit::Uploads, self.uploads_max))
    }

    /// Counts a request of a key; fails with a `Limit` of `Rate` past its rate. The clouds count by
    /// the clock's seconds too (tencent.md section 8).
    pub(super) fn count(&self, key: &KeyId, now: Timestamp) -> Result<(), RequestError> {
        let Some(rate_max) = self.rate_max else { return Ok(()) };
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now.as_second();
        let count = match rates.get_mut(key) {
            Some((last, count)) if *last == second => {
                *count = count.saturating_add(1);
                *count
            }
            _ => {
                rates.insert(key.clone(), (second, 1));
                1
            }
        };
        if count <= rate_max {
            return Ok(());
        }
        let (what, limit, actual) = (RequestLimit::Rate, rate_max.into(), count.into());
        Err(RequestError::Limit { what, limit, actual })
    }
}

fn exhausted(what: RequestLimit, limit: u64) -> RequestError {
    RequestError::Limit { what, limit, actual: limit + 1 }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;
    use crate::domain::KnownDialects;

    fn admission(configure: impl FnOnce(&mut Config)) -> Admission {
        let (flags, nowhere) = (Flags::default(), Path::new("/nonexistent"));
        let mut config =
            Config::load(&flags, |_| None, nowhere, &KnownDialects::default()).unwrap();
        configure(&mut config);
        Admission::new(&config)
    }

    /// The actual value is the first one that is too many: the limit, and the request at hand.
    fn assert_limit(refusal: &RequestError, what: RequestLimit, limit: u64, actual: u64) {
        let RequestError::Limit { what: kind, limit: most, actual: found } = refusal else {
            panic!("{refusal}");
        };
        assert_eq!((*kind, *most, *found), (what, limit, actual));
    }

    #[test]
    fn a_key_is_limited_in_each_second_of_the_clock() {
        let admission = admission(|config| config.rate_limit = Some(2));
        let (key, other) = (KeyId::parse("KEY1").unwrap(), KeyId::parse("KEY2").unwrap());
        let at = |second| Timestamp::from_second(second).unwrap();
        for second in [5, 6] {
            for _ in 0..2 {
                admission.count(&key, at(second)).unwrap();
            }
            let refusal = admission.count(&key, at(second)).unwrap_err();
            let wanted = "requests of the key in this second: 3 is more than the limit of 2";
            assert_eq!(refusal.to_string(), wanted);
        }
        admission.count(&other, at(6)).unwrap();
    }

    #[test]
    fn requests_beyond_the_limit_are_refused_until_one_ends() {
        let admission = admission(|config| config.max_requests = 1);
        let first = admission.start_request().unwrap();
        let refusal = admission.start_request().unwrap_err();
        assert_limit(&refusal, RequestLimit::Requests, 1, 2);
        drop(first);
        let again = admission.start_request();
        assert!(again.is_ok());
    }

    #[test]
    fn an_upload_waits_for_a_permit_up_to_a_limit() {
        let admission = admission(|config| config.max_uploads = 1);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(async {
            let first = admission.start_upload().await.unwrap();
            let refusal =
                admission.start_upload_within(Duration::from_millis(1)).await.unwrap_err();
            assert_limit(&refusal, RequestLimit::Uploads, 1, 2);
            let (second, ()) = tokio::join!(admission.start_upload(), async { drop(first) });
            assert!(second.is_ok());
        });
    }
}
