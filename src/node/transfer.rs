//! Values that did not fit one datagram: whoever is to store or read one asks its sender for the rest, part by part,
//! and takes it only if it comes to the hash that was told. One mechanism for writes, reads, copies and repair; and for
//! names that are not known.

mod give;

use super::Node;
use super::command::Ticket;
use super::owned::{OwnedEntry, OwnedValue, OwnedWrite};
use super::pending::{Manner, Purpose, Silence};
use super::speak::Asked;
use super::timers::Timer;
use crate::id::Id;
use crate::limits::{
    NAME_SIZE, PART_SIZE, PARTS_MAX, PARTS_WAITING, TRANSFERS_MAX, TRANSFERS_RESERVE, TRANSFERS_WAITING,
};
use crate::store::Untaken;
use crate::time::Instant;
use crate::wire::{Answer, Body, Entry, Hash, Item, Kept, Peer, Refusal, Request, Version};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem::discriminant;
use core::time::Duration;

/// What a value is for; tells who goes on once it is whole.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A copy that a neighbour wants kept.
    Replicate(Asked, OwnedEntry),
    /// A stray that its holder offers.
    Offer(Asked, OwnedEntry),
    /// An entry of an arc that is pulled.
    Fetched(u64, Item, OwnedEntry),
    /// An entry that beats ours, for an operation of ours as owner.
    Newer(u64, OwnedEntry),
    /// A write that another node coordinates.
    Write(Asked, OwnedWrite),
    /// The answer to a read of a client of ours.
    Read(Ticket, Read),
}

/// The answer to a read.
#[derive(Debug)]
pub(super) struct Read {
    pub version: Version,
    pub copies: u8,
    pub value: OwnedValue,
}

impl Parcel {
    /// Whoever waits for an answer of ours.
    const fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Replicate(asked, _) | Self::Offer(asked, _) | Self::Write(asked, _) => Some(asked),
            Self::Fetched(..) | Self::Newer(..) | Self::Read(..) => None,
        }
    }

    /// The entry that it is.
    const fn entry(&mut self) -> Option<&mut OwnedEntry> {
        match self {
            Self::Replicate(_, entry) | Self::Offer(_, entry) | Self::Fetched(.., entry) | Self::Newer(_, entry) => {
                Some(entry)
            }
            Self::Write(..) | Self::Read(..) => None,
        }
    }

    const fn is_for_client(&self) -> bool {
        matches!(self, Self::Write(..) | Self::Read(..))
    }

    /// True if they are for the same purpose, apart from who is to be answered.
    fn is_like(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
            && match (self, other) {
                // Each was asked for once, and the pull waits for as many as it asked for.
                (Self::Fetched(..), _) => false,
                (Self::Newer(one, _), Self::Newer(two, _)) => one == two,
                (Self::Write(_, one), Self::Write(_, two)) => {
                    (one.operation.id, one.mark) == (two.operation.id, two.mark)
                }
                (Self::Read(one, _), Self::Read(two, _)) => one == two,
                _ => true,
            }
    }
}

/// What is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goods {
    /// A value with this hash.
    Value(Hash),
    /// The names of writes before this time of a version.
    Names(u64),
}

impl Goods {
    /// The entry with the value that was received. Names are beside it already.
    fn put_into<'a>(self, entry: &'a OwnedEntry, bytes: &'a [u8], took: Duration) -> Entry<'a> {
        if let Self::Value(_) = self { entry.with(bytes, took) } else { entry.after(took) }
    }
}

#[derive(Debug)]
struct Transfer {
    from: Peer,
    id: Id,
    goods: Goods,
    bytes: Vec<u8>,
    /// Up to where it was asked for.
    asked_upto: usize,
    in_flight: usize,
    missing: usize,
    started: Instant,
    /// When what it belongs to came, which says what was left of the value then.
    came: Instant,
    parcel: Parcel,
    /// It is of a pull that nobody waits for.
    can_wait: bool,
}

/// The values that are being received.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    table: BTreeMap<u64, Box<Transfer>>,
}

impl Transfers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// How many bytes they take, or will take.
    pub fn bytes(&self) -> usize {
        self.table.values().map(|transfer| transfer.bytes.capacity()).sum()
    }

    /// Parts that those which can wait, or those which cannot, may have under way: each of them, and all of them.
    fn windows(&self, can_wait: bool) -> (usize, usize) {
        let waiting = self.table.values().filter(|transfer| transfer.can_wait).count();
        let (alike, most) = match waiting {
            _ if can_wait => (waiting, PARTS_WAITING),
            0 => (self.len(), PARTS_MAX),
            _ => (self.len() - waiting, PARTS_MAX - PARTS_WAITING),
        };
        ((most / alike.max(1)).max(PARTS_MIN), most)
    }

    /// How many parts they have under way.
    fn in_flight(&self, can_wait: bool) -> usize {
        let alike = self.table.values().filter(|transfer| transfer.can_wait == can_wait);
        alike.map(|transfer| transfer.in_flight).sum()
    }

    fn has_room(&self, client: bool, can_wait: bool) -> bool {
        let waiting = self.table.values().filter(|transfer| transfer.can_wait).count();
        match self.table.len() {
            _ if can_wait && waiting >= TRANSFERS_WAITING => false,
            held if client => held < TRANSFERS_MAX - TRANSFERS_RESERVE,
            held => held < TRANSFERS_MAX,
        }
    }
}

/// The longest that one may take, however lively its sender.
const LONGEST: Duration = Duration::from_secs(30);

/// The shortest time after which a part is asked for again. Whoever sends a value lives, as a rule, and what is lost is
/// lost in a full buffer: it is tried sooner than a neighbour that may be dead, and more often.
const SOON: Duration = Duration::from_millis(20);

/// Parts of a transfer that may be under way whatever the others have: none of them stands still.
const PARTS_MIN: usize = 2;

/// What the sender says leads nowhere: as good as nothing.
const SENSELESS: Silence = Silence::Timeout { late: false };

impl Node {
    /// Begins to ask for the rest of a value; what it belongs to is gone on with once it is whole. One that is under
    /// way already goes on.
    ///
    /// # Errors
    /// The parcel back: too many are under way.
    pub(super) fn start_transfer(
        &mut self,
        from: Peer,
        id: Id,
        body: &Body<'_>,
        parcel: Parcel,
    ) -> Result<(), Box<Parcel>> {
        self.begin_transfer(from, (id, Goods::Value(body.hash)), (body.first, body.length as usize), parcel)
    }

    /// Asks for what is missing of an entry: names that it remembers, or the rest of its value.
    pub(super) fn take_parcel(
        &mut self,
        from: Peer,
        entry: &Entry<'_>,
        missing: Untaken,
        parcel: impl FnOnce(OwnedEntry) -> Parcel,
    ) {
        let id = Id::of_key(entry.key);
        let parcel = parcel(OwnedEntry::from(entry.clone()));
        let begun = match (missing, entry.names, entry.value) {
            (Untaken::Nameless, Some(names), _) => {
                let before_ms = entry.log.iter().next().map_or(0, |oldest| oldest.version.time_ms);
                let length = usize::from(names.count) * NAME_SIZE;
                self.begin_transfer(from, (id, Goods::Names(before_ms)), (&[], length), parcel)
            }
            (_, _, Some(value)) => self.start_transfer(from, id, &value.body, parcel),
            _ => return,
        };
        if let Err(parcel) = begun {
            self.untransferred(*parcel, Silence::Refused(Refusal::Busy));
        }
    }

    fn begin_transfer(
        &mut self,
        from: Peer,
        (id, goods): (Id, Goods),
        (first, length): (&[u8], usize),
        parcel: Parcel,
    ) -> Result<(), Box<Parcel>> {
        let same = |transfer: &&mut Box<Transfer>| {
            transfer.from.addr() == from.addr()
                && (transfer.id, transfer.goods) == (id, goods)
                && transfer.parcel.is_like(&parcel)
        };
        if let Some(under_way) = self.transfers.table.values_mut().find(same) {
            self.counters.repeated += u64::from(under_way.parcel.asked().is_some());
            (under_way.parcel, under_way.came) = (parcel, self.now.at);
            return Ok(());
        }
        let can_wait = matches!(parcel, Parcel::Fetched(pull, ..) if self.pulls.can_wait(pull));
        if !self.transfers.has_room(parcel.is_for_client(), can_wait) {
            return Err(Box::new(parcel));
        }
        // The length was checked against the limit when the frame was found sound.
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(first);
        let (asked_upto, missing) = (bytes.len(), length - bytes.len());
        bytes.resize(length, 0);
        let (started, came, in_flight) = (self.now.at, self.now.at, 0);
        let transfer =
            Transfer { from, id, goods, bytes, asked_upto, in_flight, missing, started, came, parcel, can_wait };
        let number = self.next_number();
        self.transfers.table.insert(number, Box::new(transfer));
        self.transfer_on(number);
        Ok(())
    }

    /// Time has passed: what the pace had stopped goes on, values that were begun first.
    pub(super) fn paced_on(&mut self) {
        let waiting = self.transfers.table.iter().filter(|(_, transfer)| transfer.can_wait).map(|(number, _)| *number);
        for number in waiting.take(TRANSFERS_WAITING).collect::<heapless::Vec<u64, TRANSFERS_WAITING>>() {
            self.transfer_on(number);
        }
        self.pulls_on();
    }

    /// Asks for the next parts, as many as may be under way.
    fn transfer_on(&mut self, number: u64) {
        let Some(can_wait) = self.transfers.table.get(&number).map(|transfer| transfer.can_wait) else { return };
        let (each, all) = self.transfers.windows(can_wait);
        let mut in_flight = self.transfers.in_flight(can_wait);
        loop {
            // Those that began when there were fewer still have more under way.
            let window = if in_flight < all { each } else { PARTS_MIN };
            let Some(transfer) = self.transfers.table.get_mut(&number) else { return };
            let offset = transfer.asked_upto;
            if transfer.in_flight >= window || offset >= transfer.bytes.len() {
                return;
            }
            if can_wait {
                // A whole value at once would hold up its sender, and clients of both, for milliseconds.
                if let Some(pause) = self.pulls.pace.wait(self.now.at) {
                    return self.timers.set_earlier(Timer::Pulls, self.now.at + pause);
                }
                self.pulls.pace.spend(self.now.at, PART_SIZE);
            }
            transfer.asked_upto = (offset + PART_SIZE).min(transfer.bytes.len());
            transfer.in_flight += 1;
            in_flight += 1;
            let (from, id, offset) = (transfer.from, transfer.id, offset as u32);
            let request = match transfer.goods {
                Goods::Value(hash) => Request::Part { id, hash, offset },
                Goods::Names(before_ms) => Request::Names { id, before_ms, offset },
            };
            let client = transfer.parcel.is_for_client();
            // All the tries together take no longer than the fewer ones of other requests.
            let (shortest, longest) = (SOON.min(self.config.timeout_min), self.config.timeout_max / 4);
            let timeout = self.peers.timeout(from.addr(), shortest, longest);
            let manner = Manner { client, tries: self.config.tries + 2, timeout: Some(timeout) };
            if !self.ask(from, request, Purpose::Part(number, offset), manner) {
                return self.transfer_failed(number, Silence::Refused(Refusal::Busy));
            }
        }
    }

    /// A part arrived.
    pub(super) fn part_arrived(&mut self, number: u64, offset: u32, part: &[u8]) {
        let now = self.now.at;
        let Some(transfer) = self.transfers.table.get_mut(&number) else { return };
        let start = offset as usize;
        let end = (start + PART_SIZE).min(transfer.bytes.len());
        let fits = transfer.bytes.get_mut(start..end).filter(|place| place.len() == part.len());
        let late = now.since(transfer.started) > LONGEST;
        let Some(place) = fits.filter(|_| !late) else { return self.transfer_failed(number, SENSELESS) };
        place.copy_from_slice(part);
        transfer.in_flight -= 1;
        transfer.missing -= part.len();
        if transfer.missing > 0 {
            self.requests.overtaken(now, &mut self.timers, number, offset);
            return self.transfer_on(number);
        }
        let is_it = match transfer.goods {
            Goods::Value(hash) => *blake3::hash(&transfer.bytes).as_bytes() == hash,
            Goods::Names(_) => {
                let names = transfer.bytes.as_chunks().0.iter().map(|bytes| Kept::from_bytes(bytes, now));
                let names: Option<Vec<Kept>> = names.collect();
                transfer.parcel.entry().zip(names).is_some_and(|(entry, names)| entry.take_names(names))
            }
        };
        if !is_it {
            return self.transfer_failed(number, SENSELESS);
        }
        if let Some(transfer) = self.take_transfer(number) {
            self.transferred(*transfer);
        }
        self.pulls_on();
    }

    fn take_transfer(&mut self, number: u64) -> Option<Box<Transfer>> {
        let transfer = self.transfers.table.remove(&number)?;
        let ours = |purpose: &Purpose| matches!(purpose, Purpose::Part(of, _) if *of == number);
        self.requests.abandon(&mut self.timers, ours);
        Some(transfer)
    }

    /// The value is whole: what it belongs to is looked at once more, as time has passed.
    fn transferred(&mut self, transfer: Transfer) {
        let Transfer { from, goods, bytes, parcel, came, .. } = transfer;
        let took = self.now.at.since(came);
        match parcel {
            Parcel::Replicate(asked, entry) => self.serve_replicate(&asked, &goods.put_into(&entry, &bytes, took)),
            Parcel::Offer(asked, entry) => self.serve_offer(&asked, &goods.put_into(&entry, &bytes, took)),
            Parcel::Fetched(pull, item, entry) => {
                self.pull_fetched(pull, item, from, &goods.put_into(&entry, &bytes, took));
            }
            Parcel::Newer(op, entry) => self.newer_fetched(op, from, &goods.put_into(&entry, &bytes, took)),
            Parcel::Write(asked, write) => self.write_whole(&asked, write, bytes),
            Parcel::Read(ticket, read) => {
                let (version, copies, value) = (read.version, read.copies, read.value.with(&bytes, took));
                self.operation_ended(ticket, from, &Answer::Value { version, copies, value });
            }
        }
    }

    /// The sender is silent, or has the value no longer, or sends something else.
    pub(super) fn transfer_failed(&mut self, number: u64, silence: Silence) {
        let Some(transfer) = self.take_transfer(number) else { return };
        self.untransferred(transfer.parcel, silence);
        self.pulls_on();
    }

    /// A value will not come.
    pub(super) fn untransferred(&mut self, parcel: Parcel, silence: Silence) {
        match parcel {
            Parcel::Replicate(asked, _) | Parcel::Offer(asked, _) => self.refuse(&asked, Refusal::Busy),
            Parcel::Write(asked, write) => self.refuse_for_now(&asked, &write.key, &write.operation),
            Parcel::Fetched(pull, item, _) => self.fetch_again(pull, item, silence),
            Parcel::Newer(op, _) => self.owner_retry(op),
            Parcel::Read(ticket, _) => self.client_retry(ticket),
        }
    }

    /// A client's operation is over: what it was to read is not wanted any more.
    pub(super) fn abandon_read(&mut self, ticket: Ticket) {
        let of = |transfer: &Transfer| matches!(transfer.parcel, Parcel::Read(reader, _) if reader == ticket);
        let found = self.transfers.table.iter().find(|(_, transfer)| of(transfer)).map(|(number, _)| *number);
        if let Some(number) = found {
            self.take_transfer(number);
        }
    }

    /// The place on the ring was given up, and with it what others were told.
    pub(super) fn abandon_transfers(&mut self) {
        for transfer in core::mem::take(&mut self.transfers.table).into_values() {
            match transfer.parcel {
                Parcel::Read(ticket, _) => self.client_retry(ticket),
                parcel => self.counters.repeated += u64::from(parcel.asked().is_some()),
            }
        }
    }
}
