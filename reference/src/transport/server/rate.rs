//! Requests a second of each peer.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Peers that are counted at a time: at some 100 bytes each, 6 MiB. With more, the quiet ones are forgotten first; when
/// all of them are loud, new ones are refused.
const MAX_PEERS: usize = 1 << 16;
/// Wrong tokens that an address may send at once, and then one a second: a person who mistypes gets through, guessing 64
/// bits takes longer than the world lasts.
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
    requests: Option<DefaultKeyedRateLimiter<Peer>>,
    wrong_tokens: DefaultKeyedRateLimiter<Peer>,
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
        Self { requests: quota.map(RateLimiter::dashmap), wrong_tokens: RateLimiter::dashmap(wrong) }
    }

    /// Counts a request; the seconds to wait when there were too many.
    pub(super) fn request(&self, peer: &Peer) -> Result<(), u64> {
        self.requests.as_ref().map_or(Ok(()), |limiter| check(limiter, peer))
    }

    /// Counts a wrong token; the seconds to wait when there were too many.
    pub(super) fn wrong_token(&self, peer: &Peer) -> Result<(), u64> {
        check(&self.wrong_tokens, peer)
    }

    /// Forgets peers that were quiet.
    pub(super) fn forget_quiet(&self) {
        for limiter in self.requests.iter().chain([&self.wrong_tokens]) {
            limiter.retain_recent();
        }
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<Peer>, peer: &Peer) -> Result<(), u64> {
    if limiter.len() >= MAX_PEERS {
        limiter.retain_recent();
        if limiter.len() >= MAX_PEERS {
            return Err(1);
        }
    }
    limiter.check_key(peer).map(drop).map_err(|early| {
        let wait = early.wait_time_from(DefaultClock::default().now());
        wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
    })
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
    fn odd_rates_limit_nothing_or_are_slow() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let rate = Rate::new(Some(rate));
            let _ = rate.request(&Peer::Token("a".into()));
        }
    }
}
