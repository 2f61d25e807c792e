//! Every address worth dialling: who may be there, and when to try it next.

use std::{collections::BTreeSet, fs, io, io::Read, net::SocketAddr, path::Path, time::Duration};

use libp2p::swarm::ConnectionId;
use tokio::time::Instant;
use types::IdentityPublicKey;

use crate::frames::KnownAddress;

/// The shortest wait before an address is dialled again.
const MIN_BACKOFF: Duration = Duration::from_millis(100);
/// The longest one: a member that comes back is found within this.
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// The wait where trying again soon cannot help: another genesis, another version, a stranger.
const HOPELESS_BACKOFF: Duration = Duration::from_secs(30);
/// Of two members that learn of each other at once the lower key dials first, so that they need not
/// choose between two connections; longer than a handshake on most links.
const PRECEDENCE: Duration = Duration::from_millis(250);
/// A connection that held so long was good: the next wait starts short again.
const STEADY: Duration = Duration::from_secs(5);
/// Addresses kept for a member of each certainty: a host seldom has more that others can reach.
const MAX_ADDRESSES: usize = 4;
/// The largest file of addresses read: ten times what 100 members with 4 addresses need.
const MAX_FILE_BYTES: u64 = 512 * 1024;
/// The first line of that file.
const FILE_HEADER: &str = "dexter addresses 1";

/// How an address came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// Somebody says so; nothing but a hint.
    Claimed,
    /// The member itself says so, or was met there.
    Confirmed,
}

/// An address that is dialled until its owner is connected.
#[derive(Debug)]
struct Target {
    address: SocketAddr,
    /// Whose it is; `None` for an address of the configuration, where whoever answers is welcome.
    owner: Option<IdentityPublicKey>,
    /// Who was last met at an address without an owner.
    met: Option<IdentityPublicKey>,
    certainty: Certainty,
    next: Instant,
    backoff: Duration,
    dialling: Option<ConnectionId>,
}

/// An address to be dialled now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) address: SocketAddr,
    pub(crate) owner: Option<IdentityPublicKey>,
}

/// All addresses. A few hundred at most, so they are simply looked through.
#[derive(Debug)]
pub(crate) struct Addresses {
    me: IdentityPublicKey,
    members: BTreeSet<IdentityPublicKey>,
    targets: Vec<Target>,
    /// Where this node listens: not to be dialled.
    own: BTreeSet<SocketAddr>,
    /// False when the addresses of the configuration are all there is.
    learns: bool,
    changed: bool,
}

impl Addresses {
    /// The addresses of the configuration; `members` are those whose addresses are kept, unless only
    /// those of the configuration count.
    pub(crate) fn new(
        me: IdentityPublicKey,
        members: BTreeSet<IdentityPublicKey>,
        bootstrap: &[SocketAddr],
        bootstrap_only: bool,
        now: Instant,
    ) -> Self {
        let targets = bootstrap
            .iter()
            .map(|address| Target::new(*address, None, Certainty::Confirmed, now));
        Self {
            me,
            members,
            targets: targets.collect(),
            own: BTreeSet::new(),
            learns: !bootstrap_only,
            changed: false,
        }
    }

    /// This node listens here.
    pub(crate) fn is_own(&mut self, address: SocketAddr) {
        self.own.insert(address);
    }

    /// True when this node listens here.
    pub(crate) fn owns(&self, address: &SocketAddr) -> bool {
        self.own.contains(address)
    }

    /// Takes note of an address; true when it was not known with this certainty.
    pub(crate) fn learn(
        &mut self,
        known: KnownAddress,
        certainty: Certainty,
        now: Instant,
    ) -> bool {
        let KnownAddress { key, address } = known;
        let useless =
            address.ip().is_unspecified() || address.port() == 0 || address.ip().is_multicast();
        if !self.learns || useless || key == self.me || !self.members.contains(&key) {
            return false;
        }
        let owned = |target: &&mut Target| target.owner == Some(key) && target.address == address;
        match self.targets.iter_mut().find(owned) {
            Some(target) if target.certainty >= certainty => return false,
            Some(target) => target.certainty = certainty,
            None => {
                let next = now + self.precedence(&key);
                self.targets
                    .push(Target::new(address, Some(key), certainty, next));
            }
        }
        self.forget_oldest(&key, certainty);
        self.changed |= certainty == Certainty::Confirmed;
        true
    }

    /// Keeps a member's addresses of one certainty within bounds.
    fn forget_oldest(&mut self, key: &IdentityPublicKey, certainty: Certainty) {
        let same = |target: &Target| target.owner == Some(*key) && target.certainty == certainty;
        if self.targets.iter().filter(|target| same(target)).count() > MAX_ADDRESSES {
            let oldest = self.targets.iter().position(same);
            oldest.map(|oldest| self.targets.remove(oldest));
        }
    }

    fn precedence(&self, key: &IdentityPublicKey) -> Duration {
        if self.me < *key {
            Duration::ZERO
        } else {
            PRECEDENCE
        }
    }

    /// Every address known, for telling others.
    pub(crate) fn known(&self) -> Vec<KnownAddress> {
        let known = |target: &Target| {
            target.owner.map(|key| KnownAddress {
                key,
                address: target.address,
            })
        };
        self.targets.iter().filter_map(known).collect()
    }

    /// Is there a reason not to dial this address now, whatever the time?
    fn is_idle(&self, target: &Target, connected: &dyn Fn(&IdentityPublicKey) -> bool) -> bool {
        let owner = target.owner.or(target.met);
        if self.own.contains(&target.address) || owner.is_some_and(|owner| connected(&owner)) {
            return true;
        }
        // One dial at a time for each member, and for each address.
        self.targets
            .iter()
            .filter(|other| other.dialling.is_some())
            .any(|other| {
                other.address == target.address
                    || (owner.is_some() && other.owner.or(other.met) == owner)
            })
    }

    /// When an address is to be dialled next, if any is.
    pub(crate) fn next_due(
        &self,
        connected: &dyn Fn(&IdentityPublicKey) -> bool,
    ) -> Option<Instant> {
        let waiting = self
            .targets
            .iter()
            .filter(|target| !self.is_idle(target, connected));
        waiting.map(|target| target.next).min()
    }

    /// Takes an address whose time has come; `connection` is the dial's number.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        connected: &dyn Fn(&IdentityPublicKey) -> bool,
        connection: impl FnOnce(Due) -> ConnectionId,
    ) -> bool {
        let due = |target: &Target| target.next <= now && !self.is_idle(target, connected);
        let Some(place) = self.targets.iter().position(due) else {
            return false;
        };
        let target = &mut self.targets[place];
        target.dialling = Some(connection(Due {
            address: target.address,
            owner: target.owner,
        }));
        true
    }

    /// A dial led to a connection with this member.
    pub(crate) fn met(&mut self, connection: ConnectionId, key: IdentityPublicKey, now: Instant) {
        if let Some(target) = self.dialled(connection) {
            target.met = Some(key);
            target.later(now, Duration::ZERO);
        }
    }

    /// A dial failed; says where.
    pub(crate) fn failed(
        &mut self,
        connection: ConnectionId,
        hopeless: bool,
        now: Instant,
    ) -> Option<SocketAddr> {
        let target = self.dialled(connection)?;
        if hopeless {
            target.backoff = HOPELESS_BACKOFF;
        }
        target.later(now, Duration::ZERO);
        Some(target.address)
    }

    /// A dial found another member than the address was said to be of. A mere claim is forgotten.
    pub(crate) fn wrong(&mut self, connection: ConnectionId, now: Instant) {
        let claim = |target: &Target| {
            target.dialling == Some(connection)
                && target.certainty == Certainty::Claimed
                && target.owner.is_some()
        };
        self.targets.retain(|target| !claim(target));
        self.failed(connection, true, now);
    }

    fn dialled(&mut self, connection: ConnectionId) -> Option<&mut Target> {
        let target = self
            .targets
            .iter_mut()
            .find(|target| target.dialling == Some(connection))?;
        target.dialling = None;
        Some(target)
    }

    /// A connection with a member ended after so long; `hopeless` when trying again soon is no use.
    pub(crate) fn lost(
        &mut self,
        key: &IdentityPublicKey,
        lasted: Duration,
        hopeless: bool,
        now: Instant,
    ) {
        let precedence = self.precedence(key);
        for target in self
            .targets
            .iter_mut()
            .filter(|target| target.owner.or(target.met) == Some(*key))
        {
            if hopeless {
                target.backoff = HOPELESS_BACKOFF;
            } else if lasted >= STEADY {
                target.backoff = MIN_BACKOFF;
            }
            target.later(now, precedence);
        }
    }

    /// Reads the addresses that were remembered. Lines that make no sense are passed over: the file
    /// only saves time.
    pub(crate) fn load(&mut self, path: &Path, now: Instant) -> io::Result<()> {
        let mut text = String::new();
        match fs::File::open(path) {
            Ok(file) => file.take(MAX_FILE_BYTES).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut lines = text.lines();
        if lines.next() != Some(FILE_HEADER) {
            return Err(io::Error::other(format!(
                "its first line is not \"{FILE_HEADER}\""
            )));
        }
        for (key, address) in lines.filter_map(|line| line.split_once(' ')) {
            if let (Ok(key), Ok(address)) = (key.parse(), address.parse()) {
                self.learn(KnownAddress { key, address }, Certainty::Confirmed, now);
            }
        }
        self.changed = false;
        Ok(())
    }

    /// Writes the certain addresses if there are new ones since the last time.
    pub(crate) fn save(&mut self, path: &Path) -> io::Result<()> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let certain = self
            .targets
            .iter()
            .filter(|target| target.certainty == Certainty::Confirmed);
        let mut lines: Vec<String> = certain
            .filter_map(|target| {
                target
                    .owner
                    .map(|owner| format!("{owner} {}\n", target.address))
            })
            .collect();
        lines.sort();
        let text = format!("{FILE_HEADER}\n{}", lines.concat());
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, path)
    }
}

impl Target {
    fn new(
        address: SocketAddr,
        owner: Option<IdentityPublicKey>,
        certainty: Certainty,
        next: Instant,
    ) -> Self {
        Self {
            address,
            owner,
            met: None,
            certainty,
            next,
            backoff: MIN_BACKOFF,
            dialling: None,
        }
    }

    /// Waits, between half and one and a half of the backoff, which doubles.
    fn later(&mut self, now: Instant, precedence: Duration) {
        self.next = now + precedence + self.backoff.mul_f64(rand::random_range(0.5..1.5));
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> IdentityPublicKey {
        IdentityPublicKey::new([byte; 32])
    }
    fn at(byte: u8, port: u16) -> KnownAddress {
        KnownAddress {
            key: key(byte),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }
    fn addresses(me: u8, bootstrap: &[SocketAddr], now: Instant) -> Addresses {
        Addresses::new(key(me), [1, 2, 3].map(key).into(), bootstrap, false, now)
    }
    fn nobody(_: &IdentityPublicKey) -> bool {
        false
    }
    /// Dials all that is due; says where, with the numbers of the dials.
    fn dial(addresses: &mut Addresses, now: Instant) -> Vec<(u16, ConnectionId)> {
        let mut dialled = Vec::new();
        let dials = |due: Due, dialled: &mut Vec<_>| {
            let connection = ConnectionId::new_unchecked(due.address.port().into());
            dialled.push((due.address.port(), connection));
            connection
        };
        while addresses.take_due(now, &nobody, |due| dials(due, &mut dialled)) {}
        dialled
    }
    fn ports(addresses: &mut Addresses, now: Instant) -> Vec<u16> {
        dial(addresses, now)
            .into_iter()
            .map(|(port, _)| port)
            .collect()
    }

    #[test]
    fn strangers_useless_addresses_and_ourselves_are_not_learnt() {
        let now = Instant::now();
        let mut addresses = addresses(1, &[], now);
        let unspecified = KnownAddress {
            key: key(2),
            address: "0.0.0.0:5".parse().unwrap(),
        };
        for known in [at(9, 5), at(1, 5), at(2, 0), unspecified] {
            assert!(!addresses.learn(known, Certainty::Claimed, now));
        }
        assert!(addresses.learn(at(2, 5), Certainty::Claimed, now));
        assert!(!addresses.learn(at(2, 5), Certainty::Claimed, now));
        assert!(addresses.learn(at(2, 5), Certainty::Confirmed, now));
        assert_eq!(addresses.known(), [at(2, 5)]);
    }

    #[test]
    fn with_fixed_addresses_nothing_is_learnt_told_or_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("addresses");
        let now = Instant::now();
        fs::write(&path, format!("{FILE_HEADER}\n{} 127.0.0.1:5\n", key(3))).unwrap();
        let fixed = [at(2, 7).address];
        let members = [1, 2, 3].map(key).into();
        let mut addresses = Addresses::new(key(1), members, &fixed, true, now);
        addresses.load(&path, now).unwrap();
        assert!(!addresses.learn(at(2, 8), Certainty::Confirmed, now));
        assert!(!addresses.learn(at(3, 9), Certainty::Claimed, now));
        let dialled = dial(&mut addresses, now);
        assert_eq!(dialled[0].0, 7);
        assert_eq!(dialled.len(), 1);
        addresses.met(dialled[0].1, key(2), now);
        assert_eq!(addresses.known(), []);
        // What an earlier run remembered stays for a later one.
        let before = fs::read_to_string(&path).unwrap();
        addresses.save(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }

    #[test]
    fn claims_are_bounded_and_never_displace_what_is_certain() {
        let now = Instant::now();
        let mut addresses = addresses(1, &[], now);
        addresses.learn(at(2, 1), Certainty::Confirmed, now);
        for port in 10..100 {
            addresses.learn(at(2, port), Certainty::Claimed, now);
        }
        assert_eq!(
            addresses.known(),
            [at(2, 1), at(2, 96), at(2, 97), at(2, 98), at(2, 99)]
        );
    }

    #[test]
    fn waits_double_up_to_ten_seconds_with_jitter() {
        let mut now = Instant::now();
        let mut addresses = addresses(1, &[at(2, 7).address], now);
        let mut backoff = MIN_BACKOFF;
        for _ in 0..10 {
            let dialled = dial(&mut addresses, now);
            assert_eq!(dialled.len(), 1);
            assert_eq!(addresses.next_due(&nobody), None, "one dial at a time");
            addresses.failed(dialled[0].1, false, now);
            let next = addresses.next_due(&nobody).unwrap();
            assert!(next >= now + backoff / 2 && next <= now + backoff * 3 / 2);
            assert_eq!(
                ports(&mut addresses, next - Duration::from_millis(1)),
                [0; 0]
            );
            now = next;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
        assert_eq!(backoff, MAX_BACKOFF);
    }

    #[test]
    fn the_lower_key_dials_first_and_one_address_at_a_time() {
        let now = Instant::now();
        let mut addresses = addresses(2, &[], now);
        addresses.learn(at(1, 11), Certainty::Claimed, now);
        addresses.learn(at(3, 31), Certainty::Claimed, now);
        addresses.learn(at(3, 32), Certainty::Claimed, now);
        assert_eq!(ports(&mut addresses, now), [31]);
        assert_eq!(ports(&mut addresses, now + PRECEDENCE), [11]);
    }

    #[test]
    fn connected_members_and_our_own_addresses_are_not_dialled() {
        let now = Instant::now();
        let mut addresses = addresses(1, &[at(1, 1).address, at(2, 2).address], now);
        addresses.is_own(at(1, 1).address);
        assert_eq!(addresses.next_due(&nobody), Some(now));
        let dialled = dial(&mut addresses, now);
        assert_eq!(dialled.len(), 1);
        addresses.met(dialled[0].1, key(2), now);
        assert_eq!(addresses.next_due(&|connected| *connected == key(2)), None);
        addresses.lost(&key(2), STEADY, false, now);
        let next = addresses.next_due(&nobody).unwrap();
        assert!(next <= now + MIN_BACKOFF * 3 / 2);
        addresses.lost(&key(2), STEADY, true, now);
        assert!(addresses.next_due(&nobody).unwrap() >= now + HOPELESS_BACKOFF / 2);
    }

    #[test]
    fn a_false_claim_is_forgotten_once_tried() {
        let now = Instant::now();
        let mut addresses = addresses(1, &[], now);
        addresses.learn(at(2, 5), Certainty::Claimed, now);
        let dialled = dial(&mut addresses, now);
        addresses.wrong(dialled[0].1, now);
        assert_eq!(addresses.known(), []);
    }

    #[test]
    fn certain_addresses_are_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("addresses");
        let now = Instant::now();
        let mut saved = addresses(1, &[], now);
        saved.load(&path, now).unwrap();
        saved.learn(at(3, 5), Certainty::Confirmed, now);
        saved.learn(at(2, 6), Certainty::Confirmed, now);
        saved.learn(at(2, 7), Certainty::Claimed, now);
        saved.save(&path).unwrap();
        let text = format!(
            "{FILE_HEADER}\n{} 127.0.0.1:6\n{} 127.0.0.1:5\n",
            key(2),
            key(3)
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);

        fs::write(&path, text + "no sense\nat all, none\n").unwrap();
        let mut loaded = addresses(1, &[], now);
        loaded.load(&path, now).unwrap();
        assert_eq!(loaded.known(), [at(2, 6), at(3, 5)]);
        fs::write(&path, "something else").unwrap();
        let error = loaded.load(&path, now).unwrap_err();
        assert_eq!(
            error.to_string(),
            "its first line is not \"dexter addresses 1\""
        );
    }
}
