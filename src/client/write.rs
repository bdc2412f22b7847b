//! Writes, with what they depend on.

use super::{Client, Error, Stored, checked};
use crate::limits::{Beyond, KIND_MAX, Limited, TTL_MAX_S, VALUE_MAX};
use crate::node::{Attempt, Command, Reply};
use crate::store::Content;
use crate::wire::{Condition, Operation, OperationId, Version};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

/// What may come of a write, some time after it was sent.
type Outcome<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// What puts and deletes have in common.
#[derive(Clone, Debug)]
struct Write {
    client: Client,
    key: Box<[u8]>,
    condition: Condition,
    min_copies: u8,
    attempt: Option<Attempt>,
}

impl Write {
    fn new(client: Client, key: &[u8]) -> Self {
        Self { client, key: key.into(), condition: Condition::None, min_copies: 0, attempt: None }
    }
}

/// The methods that both have.
macro_rules! conditions {
    () => {
        /// Only if the key exists in this version.
        pub fn if_match(mut self, version: Version) -> Self {
            self.write.condition = Condition::Match(version);
            self
        }

        /// Only if the key exists, in whatever version.
        pub fn if_present(mut self) -> Self {
            self.write.condition = Condition::Present;
            self
        }

        /// Only if at least so many nodes hold the key, at most 3.
        pub fn min_copies(mut self, copies: u8) -> Self {
            self.write.min_copies = copies;
            self
        }

        /// Under a name of 128 random bits, for a program that may have to repeat it after it was started anew: for ten
        /// minutes after it was done at least, the write is not applied again under this name. Otherwise the client
        /// draws one.
        pub fn named(mut self, name: OperationId) -> Self {
            self.write.attempt = Some(Attempt::First(name));
            self
        }

        /// Repeats a write of which [`Error::Unknown`] said that its outcome is not known. All of it must be the same:
        /// it is applied once at most, and then answered as it was the first time. What is too old for that ends with
        /// [`Error::Forgotten`].
        pub fn again(mut self, operation: Operation) -> Self {
            self.write.attempt = Some(Attempt::Again(operation));
            self
        }
    };
}

/// A value to be written, by awaiting this: see [`Client::put`].
///
/// ```
/// # use skynode::{config::Config, node::{Identity, Node}, udp};
/// # smol::block_on(async {
/// # let udp::Sockets { udp: socket, addr, .. } = udp::bind("127.0.0.1:0".parse()?, udp::Http::Off).unwrap();
/// # let identity = Identity { addr, id: None };
/// # let node = Node::new(Config::default(), identity, false, udp::entropy()?, udp::now());
/// # smol::spawn(udp::Driver::new(node, socket, Vec::new(), None)?.0.run()).detach();
/// # use skynode::client::{Client, Error};
/// # let client = Client::connect(&[addr.to_string()], Default::default()).await?;
/// let mut put = client.put("order/17", "three apples");
/// let stored = loop {
///     match put.await {
///         // It may have been stored: once more under the same name, it counts once.
///         Err(Error::Unknown { operation }) => put = client.put("order/17", "three apples").again(operation),
///         outcome => break outcome?,
///     }
/// };
/// println!("stored by {} nodes", stored.copies);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Conflict`] if the condition does not hold, [`Error::Unknown`] if it may have been stored or not,
/// [`Error::Unavailable`], [`Error::Unreachable`], [`Error::TooLarge`], [`Error::Key`].
#[derive(Clone, Debug)]
#[must_use = "nothing is written before it is awaited"]
pub struct Put {
    write: Write,
    value: Vec<u8>,
    kind: Box<[u8]>,
    ttl: Option<Duration>,
}

impl Put {
    pub(super) fn new(client: Client, key: &[u8], value: Vec<u8>) -> Self {
        Self { write: Write::new(client, key), value, kind: Box::default(), ttl: None }
    }

    /// Only if the key does not exist.
    pub fn if_absent(mut self) -> Self {
        self.write.condition = Condition::Absent;
        self
    }

    conditions!();

    /// The media type, at most 96 bytes of printable ASCII, that is kept with the value.
    pub fn kind(mut self, kind: impl AsRef<[u8]>) -> Self {
        self.kind = kind.as_ref().into();
        self
    }

    /// The value ends after this time, rounded up to seconds, at least one and at most ten years; otherwise never.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

impl IntoFuture for Put {
    type Output = Result<Stored, Error>;
    type IntoFuture = Outcome<Stored>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { write: Write { client, key, condition, min_copies, attempt }, value, kind, ttl } = self;
            let key = checked(&key)?;
            let ttl_s = ttl.map_or(0, |ttl| ttl.as_nanos().div_ceil(1_000_000_000).max(1));
            let ttl_s = u64::try_from(ttl_s).unwrap_or(u64::MAX);
            let length = value.len() as u64;
            Beyond::check(Limited::Value, length, VALUE_MAX as u64)?;
            Beyond::check(Limited::Kind, kind.len() as u64, KIND_MAX as u64)?;
            Beyond::check(Limited::Life, ttl_s, TTL_MAX_S.into())?;
            let (content, ttl_s) = (Content::new(value, &kind, 0), ttl_s as u32);
            let command = Command::Put { key, content, ttl_s, condition, min_copies, attempt };
            stored(client.ask(command).await?).map_err(|reply| match reply {
                // The outcome of a delete of this name: a name stands for one write.
                Reply::NotFound => Error::Reused,
                // The owner takes less than a client may send.
                Reply::TooLarge => Beyond { what: Limited::Value, given: Some(length), limit: None }.into(),
                other => Error::of(other),
            })
        })
    }
}

/// A key to be deleted, by awaiting this: see [`Client::delete`]. → `None` if there was no such key.
///
/// # Errors
/// As for [`Put`]; where a condition was given, a key that is not there is a conflict.
#[derive(Clone, Debug)]
#[must_use = "nothing is deleted before it is awaited"]
pub struct Delete {
    write: Write,
}

impl Delete {
    pub(super) fn new(client: Client, key: &[u8]) -> Self {
        Self { write: Write::new(client, key) }
    }

    conditions!();
}

impl IntoFuture for Delete {
    type Output = Result<Option<Stored>, Error>;
    type IntoFuture = Outcome<Option<Stored>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Write { client, key, condition, min_copies, attempt } = self.write;
            let key = checked(&key)?;
            match client.ask(Command::Delete { key, condition, min_copies, attempt }).await? {
                Reply::NotFound if condition == Condition::None => Ok(None),
                other => stored(other).map(Some).map_err(Error::of),
            }
        })
    }
}

fn stored(reply: Reply) -> Result<Stored, Reply> {
    match reply {
        Reply::Stored { version, copies, created, owner, operation } => {
            Ok(Stored { version, copies, created, owner: owner.addr(), operation })
        }
        other => Err(other),
    }
}
