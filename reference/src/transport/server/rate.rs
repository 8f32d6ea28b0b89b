//! Requests a second of each peer.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DefaultKeyedStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};

/// Peers that are counted at a time: at some 100 bytes each, 6 MiB. With more, the quiet ones are forgotten first; when
/// all of them are loud, new ones are refused and those that are known go on.
pub(super) const MAX_PEERS: usize = 1 << 16;
/// How often all of them are looked at for quiet ones while there is no room.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Wrong tokens that an address may send at once, and then one a second, before it is told to wait. That keeps the log and
/// the numbers readable; it does not slow guessing, since a right token is taken whatever its neighbours behind the same
/// address have sent. What keeps tokens from being guessed is what they are made of: 64 random bits take longer than the
/// world lasts.
const WRONG_TOKENS: u32 = 10;

/// Whom requests are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// Whoever holds the token of that name.
    Token(Arc<str>),
    /// Whoever asks from that address; of IPv6 the first 64 bits, which one customer has all of.
    Address(IpAddr),
}

impl Peer {
    pub(super) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
            address => address,
        })
    }

    /// What a session is bound to: the token's name. An address proves nothing, and changes.
    pub(super) fn holder(&self) -> &str {
        match self {
            Self::Token(name) => name,
            Self::Address(_) => "",
        }
    }
}

/// The counts.
pub(super) struct Rate {
    requests: Option<Counts>,
    wrong_tokens: Counts,
}

impl Rate {
    /// So many requests a second for each peer, when limited, with as many at once. Less than one a second is taken for
    /// one in so many seconds.
    pub(super) fn new(rate: Option<f64>) -> Self {
        let quota = rate.and_then(|rate| {
            let period = Duration::try_from_secs_f64(rate.recip()).ok().filter(|period| !period.is_zero())?;
            let burst = NonZeroU32::new(rate.ceil() as u32).unwrap_or(NonZeroU32::MIN);
            Some(Quota::with_period(period)?.allow_burst(burst))
        });
        let wrong = Quota::per_second(NonZeroU32::MIN)
            .allow_burst(NonZeroU32::new(WRONG_TOKENS).unwrap_or(NonZeroU32::MIN));
        let counts = |quota| Counts::new(quota, MAX_PEERS);
        Self { requests: quota.map(counts), wrong_tokens: counts(wrong) }
    }

    /// Counts a request; the seconds to wait when there were too many.
    pub(super) fn request(&self, peer: &Peer) -> Result<(), u64> {
        self.requests.as_ref().map_or(Ok(()), |counts| counts.check(peer, Instant::now()))
    }

    /// Counts a wrong token; the seconds to wait when there were too many.
    pub(super) fn wrong_token(&self, peer: &Peer) -> Result<(), u64> {
        self.wrong_tokens.check(peer, Instant::now())
    }

    /// Forgets peers that have been quiet for so long that nothing is held against them.
    pub(super) fn forget_quiet(&self) {
        for counts in self.requests.iter().chain([&self.wrong_tokens]) {
            counts.limiter.retain_recent();
        }
    }
}

/// The peers that are counted, to be asked whether somebody is among them.
#[derive(Default)]
struct Known(Arc<DefaultKeyedStateStore<Peer>>);

impl StateStore for Known {
    type Key = Peer;

    fn measure_and_replace<T, F, E>(&self, peer: &Peer, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(peer, decide)
    }
}

impl ShrinkableKeyedStateStore<Peer> for Known {
    fn retain_recent(&self, drop_below: Nanos) {
        ShrinkableKeyedStateStore::retain_recent(&*self.0, drop_below);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What each of many peers did of one kind.
struct Counts {
    limiter: RateLimiter<Peer, Known, DefaultClock>,
    known: Arc<DefaultKeyedStateStore<Peer>>,
    most: usize,
    /// When all peers were last looked at for quiet ones, for want of room.
    looked: Mutex<Option<Instant>>,
}

impl Counts {
    fn new(quota: Quota, most: usize) -> Self {
        let known = Known::default();
        let shared = Arc::clone(&known.0);
        let limiter = RateLimiter::new(quota, known, DefaultClock::default());
        Self { limiter, known: shared, most, looked: Mutex::default() }
    }

    /// Counts one more of a peer; the seconds to wait when there were too many, or when there is no room for a new peer.
    fn check(&self, peer: &Peer, now: Instant) -> Result<(), u64> {
        if self.known.len() >= self.most && !self.known.contains_key(peer) {
            if self.may_look(now) {
                self.limiter.retain_recent();
            }
            if self.known.len() >= self.most {
                return Err(1);
            }
        }
        self.limiter.check_key(peer).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
        })
    }

    /// Once a second: looking at so many takes longer than a request.
    fn may_look(&self, now: Instant) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|last| now.saturating_duration_since(last) >= LOOK_INTERVAL);
        if due {
            *looked = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_its_own_count() {
        let rate = Rate::new(Some(3.0));
        let (first, second) = (Peer::Token("a".into()), Peer::of_address("192.0.2.1".parse().unwrap()));
        for _ in 0..3 {
            assert_eq!(rate.request(&first), Ok(()));
        }
        assert_eq!(rate.request(&first), Err(1));
        assert_eq!(rate.request(&second), Ok(()));
        let slow = Rate::new(Some(0.001));
        assert_eq!(slow.request(&first), Ok(()));
        assert!(slow.request(&first).unwrap_err() > 900);
        assert!((0..10_000).all(|_| Rate::new(None).request(&first).is_ok()));
    }

    #[test]
    fn guesses_run_out() {
        let rate = Rate::new(None);
        let peer = Peer::of_address("2001:db8::1".parse().unwrap());
        let neighbour = Peer::of_address("2001:db8::ffff:1".parse().unwrap());
        for _ in 0..WRONG_TOKENS {
            assert!(rate.wrong_token(&peer).is_ok());
        }
        assert!(rate.wrong_token(&neighbour).is_err());
        rate.forget_quiet();
        assert!(rate.wrong_token(&peer).is_err());
        assert_eq!(
            Peer::of_address("::ffff:192.0.2.1".parse().unwrap()),
            Peer::of_address("192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn who_is_known_goes_on_when_there_is_no_room_for_others() {
        let counts = Counts::new(Quota::per_hour(NonZeroU32::new(3).unwrap()), 2);
        let peer = |n: u8| Peer::of_address([192, 0, 2, n].into());
        let now = Instant::now();
        assert_eq!((counts.check(&peer(1), now), counts.check(&peer(2), now)), (Ok(()), Ok(())));
        assert_eq!(counts.check(&peer(3), now), Err(1));
        assert_eq!(counts.check(&peer(1), now), Ok(()));
        assert!(!counts.known.contains_key(&peer(3)));
        // All are looked at for the quiet ones once a second, not with each that comes.
        assert!(!counts.may_look(now + LOOK_INTERVAL / 2));
        assert!(counts.may_look(now + LOOK_INTERVAL) && !counts.may_look(now + LOOK_INTERVAL));
    }

    #[test]
    fn odd_rates_limit_nothing_or_are_slow() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let rate = Rate::new(Some(rate));
            let _ = rate.request(&Peer::Token("a".into()));
        }
    }
}
