//! Places: the open connections by peer, and which of them gives way to a new one.
//!
//! Knows addresses and watchdogs. Must not know streams, TLS or HTTP.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::timeouts::Watchdog;

/// Places beyond the limit, which serve the probes alone.
const SPARE: usize = 16;

/// How long a new connection waits for a place before it looks again: a connection gives way only
/// once it has been slow for some time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The open connections, within a limit for all and one for each peer.
pub(super) struct Places {
    all: usize,
    per_peer: usize,
    open: Mutex<Open>,
    left: Notify,
}

#[derive(Default)]
struct Open {
    connections: HashMap<u64, Entry>,
    peers: HashMap<IpAddr, usize>,
    spare: usize,
    last: u64,
}

struct Entry {
    peer: IpAddr,
    is_spare: bool,
    watchdog: Arc<Watchdog>,
}

/// The place of one connection; dropping it leaves the place.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    /// Whether the connection serves the probes alone.
    pub(super) is_spare: bool,
}

/// Why a connection gets no place.
enum Denied {
    /// Its peer has as many as one may have, none of them gives way, and the spare ones are taken.
    Peer,
    /// All are taken, and none gives way.
    All,
}

impl Places {
    pub(super) fn new(all: usize, per_peer: usize) -> Arc<Self> {
        Arc::new(Self { all, per_peer, open: Mutex::default(), left: Notify::new() })
    }

    /// Takes a place for a connection, for which the longest idle one may have to give way; a spare
    /// one while all, or all of a peer that `is_limited`, are busy. Waits while the spare ones are
    /// busy too; `None` for a peer that has too many.
    pub(super) async fn enter(
        self: &Arc<Self>,
        peer: IpAddr,
        is_limited: bool,
        watchdog: &Arc<Watchdog>,
    ) -> Option<Place> {
        let peer = network(peer);
        loop {
            match self.try_enter(peer, is_limited, watchdog) {
                Ok(place) => return Some(place),
                Err(Denied::Peer) => return None,
                Err(Denied::All) => {
                    // Looks again on a timeout as well.
                    let _ = tokio::time::timeout(LOOK_AGAIN, self.left.notified()).await;
                }
            }
        }
    }

    fn try_enter(
        self: &Arc<Self>,
        peer: IpAddr,
        is_limited: bool,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Place, Denied> {
        let mut open = self.open();
        let is_crowd = is_limited
            && open.peers.get(&peer).is_some_and(|count| *count >= self.per_peer)
            && !open.give_way(|entry| entry.peer == peer && !entry.is_spare);
        let has_room = open.connections.len() - open.spare < self.all;
        let is_spare = is_crowd || !has_room && !open.give_way(|entry| !entry.is_spare);
        if is_spare && open.spare >= SPARE && !open.give_way(|entry| entry.is_spare) {
            return Err(if is_crowd { Denied::Peer } else { Denied::All });
        }
        open.last += 1;
        let number = open.last;
        let watchdog = Arc::clone(watchdog);
        open.connections.insert(number, Entry { peer, is_spare, watchdog });
        if is_spare {
            open.spare += 1;
        } else {
            *open.peers.entry(peer).or_default() += 1;
        }
        drop(open);
        Ok(Place { places: Arc::clone(self), number, is_spare })
    }

    /// Waits until no connection is open.
    pub(super) async fn all_left(&self) {
        while !self.open().connections.is_empty() {
            self.left.notified().await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Has the one give way that has waited longest for its client, of those that `may`; returns
    /// whether there is one.
    fn give_way(&mut self, may: impl Fn(&Entry) -> bool) -> bool {
        let waiting = self.connections.iter().filter(|(_, entry)| may(entry));
        let now = Instant::now();
        let ranked =
            waiting.filter_map(|(number, entry)| Some((entry.watchdog.rank(now)?, *number)));
        let Some((_, number)) = ranked.min() else { return false };
        if let Some(entry) = self.remove(number) {
            entry.watchdog.give_way();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.connections.remove(&number)?;
        if entry.is_spare {
            self.spare -= 1;
        } else if let Some(count) = self.peers.get_mut(&entry.peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&entry.peer);
            }
        }
        Some(entry)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing to remove if it gave way.
        self.places.open().remove(self.number);
        self.places.left.notify_one();
    }
}

/// Returns what counts as one peer: an IPv4 address, or the network of 64 bits that one IPv6 client
/// can take its addresses from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Enters at once or not at all.
    fn enter(places: &Arc<Places>, peer: IpAddr, watchdog: &Arc<Watchdog>) -> Option<Place> {
        places.try_enter(network(peer), true, watchdog).ok()
    }

    fn has_given_way(watchdog: &Watchdog) -> bool {
        use futures_util::FutureExt;
        watchdog.gave_way().now_or_never().is_some()
    }

    #[tokio::test]
    async fn the_longest_idle_one_gives_way_and_a_busy_one_does_not() {
        let places = Places::new(3, 3);
        let dogs = [(); 3].map(|()| Watchdog::new());
        let busy = dogs[0].request_began();
        let mut taken: Vec<_> = dogs.iter().map(|dog| enter(&places, ONE, dog).unwrap()).collect();
        let late = Watchdog::new();
        taken.push(enter(&places, OTHER, &late).unwrap());
        assert!(!taken[3].is_spare);
        assert_eq!([0, 1, 2].map(|at| has_given_way(&dogs[at])), [false, true, false]);
        // The busy one becomes idle, and is the last to be so.
        drop(busy);
        taken.push(enter(&places, OTHER, &Watchdog::new()).unwrap());
        assert!(has_given_way(&dogs[2]) && !has_given_way(&dogs[0]) && !has_given_way(&late));
        assert_eq!(places.open().connections.len(), 3);
        taken.clear();
        places.all_left().await;
        assert!(places.open().peers.is_empty());
    }

    #[test]
    fn a_peer_with_too_many_displaces_only_its_own() {
        let places = Places::new(9, 2);
        let dogs = [(); 4].map(|()| Watchdog::new());
        let _other = enter(&places, OTHER, &dogs[0]).unwrap();
        let _first = enter(&places, ONE, &dogs[1]).unwrap();
        let _second = enter(&places, ONE, &dogs[2]).unwrap();
        let third = enter(&places, ONE, &dogs[3]).unwrap();
        assert!(has_given_way(&dogs[1]) && !has_given_way(&dogs[0]));
        let _busy = [2, 3].map(|at| dogs[at].request_began());
        let spare = enter(&places, ONE, &Watchdog::new()).unwrap();
        assert!(spare.is_spare, "none of its own is idle");
        let unlimited = places.try_enter(network(ONE), false, &Watchdog::new()).ok().unwrap();
        assert!(!unlimited.is_spare);
        drop(unlimited);
        drop(third);
        assert!(!enter(&places, ONE, &Watchdog::new()).unwrap().is_spare);
    }

    #[test]
    fn spare_places_are_taken_when_all_are_busy_and_give_way_too() {
        let places = Places::new(1, 100);
        let first = Watchdog::new();
        let busy = first.request_began();
        let _first = enter(&places, ONE, &first).unwrap();
        let dogs: Vec<_> = (0..SPARE).map(|_| Watchdog::new()).collect();
        let mut spare: Vec<_> = dogs.iter().map(|dog| enter(&places, ONE, dog).unwrap()).collect();
        assert!(spare.iter().all(|place| place.is_spare));
        spare.push(enter(&places, ONE, &Watchdog::new()).unwrap());
        assert!(spare[SPARE].is_spare && has_given_way(&dogs[0]));
        let _all_busy: Vec<_> = places
            .open()
            .connections
            .values()
            .map(|entry| entry.watchdog.request_began())
            .collect();
        assert!(enter(&places, ONE, &Watchdog::new()).is_none());
        drop(busy);
        assert!(!enter(&places, ONE, &Watchdog::new()).unwrap().is_spare);
    }

    #[test]
    fn the_addresses_of_one_client_are_one_peer() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(network("10.1.2.3"), "10.1.2.3");
        assert_eq!(network("::1"), "::1");
    }
}
