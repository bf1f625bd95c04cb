//! How much runs at the same time, and how often a key may ask.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::Config;
use crate::domain::{CatalogError, KeyId, Limit, Timestamp};

/// How long an upload waits for its turn. Clients wait at least as long for an answer.
const TURN_MAX: Duration = Duration::from_secs(50);

/// Counts what runs; one for the whole server.
pub(super) struct Admission {
    requests: Semaphore,
    requests_max: u64,
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
            uploads: Semaphore::new(config.max_uploads),
            uploads_max: config.max_uploads as u64,
            rate_max: config.rate_limit,
            rates: Mutex::default(),
        }
    }

    /// Takes a place among the requests that run, or refuses at once: a crowd that waits grows.
    pub(super) fn start_request(&self) -> Result<SemaphorePermit<'_>, CatalogError> {
        self.requests.try_acquire().map_err(|_| full(Limit::Requests, self.requests_max))
    }

    /// Waits for a place among the large bodies that arrive.
    pub(super) async fn start_upload(&self) -> Result<SemaphorePermit<'_>, CatalogError> {
        self.start_upload_within(TURN_MAX).await
    }

    async fn start_upload_within(
        &self,
        turn_max: Duration,
    ) -> Result<SemaphorePermit<'_>, CatalogError> {
        let place = tokio::time::timeout(turn_max, self.uploads.acquire()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| full(Limit::Uploads, self.uploads_max))
    }

    /// Counts a request of a key; `LimitExceeded` past its rate. Seconds are those of the clock,
    /// as the clouds count them (tencent.md section 8).
    pub(super) fn count(&self, key: &KeyId, now: Timestamp) -> Result<(), CatalogError> {
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
        match count > rate_max {
            true => Err(CatalogError::LimitExceeded {
                what: Limit::RequestRate,
                limit: rate_max.into(),
                actual: count.into(),
            }),
            false => Ok(()),
        }
    }
}

fn full(what: Limit, limit: u64) -> CatalogError {
    CatalogError::LimitExceeded { what, limit, actual: limit + 1 }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn admission(configure: impl FnOnce(&mut Config)) -> Admission {
        let mut config =
            Config::load(&Flags::default(), |_| None, Path::new("/nonexistent")).unwrap();
        configure(&mut config);
        Admission::new(&config)
    }

    #[test]
    fn a_key_has_so_many_requests_in_each_second_of_the_clock() {
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
        assert!(matches!(refusal, CatalogError::LimitExceeded { what: Limit::Requests, .. }));
        drop(first);
        let again = admission.start_request();
        assert!(again.is_ok());
    }

    #[test]
    fn an_upload_waits_for_its_turn_and_not_for_ever() {
        let admission = admission(|config| config.max_uploads = 1);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(async {
            let first = admission.start_upload().await.unwrap();
            let refusal =
                admission.start_upload_within(Duration::from_millis(1)).await.unwrap_err();
            assert!(matches!(refusal, CatalogError::LimitExceeded { what: Limit::Uploads, .. }));
            let (second, ()) = tokio::join!(admission.start_upload(), async { drop(first) });
            assert!(second.is_ok());
        });
    }
}
