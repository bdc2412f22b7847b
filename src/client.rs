//! A client of a ring, over UDP: what other programs read and write with.
//!
//! A [`Client`] is no node: it stores nothing and nobody depends on it. It knows some nodes of the ring, finds the
//! owner of a key itself, and talks to that one directly; what it has learnt of the ring spares it the next lookup. Its
//! answers are as good as those of a node: a write that is acknowledged is stored, a refusal has changed nothing, and
//! [`Error::Unknown`] carries the name under which repeating the write is safe.
//!
//! ```
//! # use skynode::{config::Config, node::{Identity, Node}, udp};
//! # smol::block_on(async {
//! # let udp::Sockets { udp: socket, addr, .. } = udp::bind("127.0.0.1:0".parse()?, udp::Http::Off).unwrap();
//! # let identity = Identity { addr, id: None };
//! # let node = Node::new(Config::default(), identity, false, udp::entropy()?, udp::now());
//! # smol::spawn(udp::Driver::new(node, socket, Vec::new(), None)?.0.run()).detach();
//! # let seed = addr.to_string();
//! use skynode::client::{Client, Options};
//!
//! let client = Client::connect(&[&seed], Options::default()).await?;
//! let stored = client.put("greeting", "hello").await?;
//! let value = client.get("greeting").await?.ok_or("deleted meanwhile")?;
//! assert_eq!((value.bytes(), value.version), (&b"hello"[..], stored.version));
//! assert!(client.get("nothing").await?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! It works on any executor; one task of its own, on the global executor of `smol`, drives it.

mod error;
mod keys;
mod options;
mod ring;
mod seeds;
mod value;
mod write;

pub use crate::limits::{Beyond, Limited};
pub use crate::node::{Hop, OwnedKey, RingNode, Unavailable};
pub use crate::wire::{Operation, OperationId, Peer, Version};
pub use error::Error;
pub use keys::Keys;
pub use options::Options;
pub use seeds::{node, why_not_serving};
pub use value::{Owner, Stored, Value};
pub use write::{Delete, Put};

use crate::handle::Handle;
use crate::id::Id;
use crate::limits::KEY_MAX;
use crate::node::{Command, Node, Reply};
use crate::udp::{Driver, entropy, now};
use smol::Task;
use std::sync::Arc;

/// A way to a ring. A clone is cheap and shares everything, the limits of what may be under way at one time included:
/// 512 operations, of them 12 with values that come in parts; further ones are [`Unavailable::Busy`] or wait.
///
/// The task that drives it ends when the last clone is dropped, and with it whatever was under way.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    handle: Handle,
    /// Dropping it ends it.
    _driver: Task<bool>,
}

impl Client {
    /// Finds a ring through any of its nodes, each `host:port`. One that answers is enough; the others are for when it
    /// does not. Names are looked up anew whenever no known node answers any more.
    ///
    /// The nodes must be reachable over UDP at the addresses that they advertise to each other.
    ///
    /// ```
    /// # smol::block_on(async {
    /// use skynode::client::{Client, Error, Options};
    /// use std::time::Duration;
    ///
    /// let options = Options::default().deadline(Duration::from_millis(200));
    /// match Client::connect(&["127.0.0.1:9"], options).await {
    ///     Err(Error::Unreachable(why)) => assert!(why.contains("127.0.0.1:9")),
    ///     other => panic!("nobody is there: {other:?}"),
    /// }
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`Error::Seed`] for a text that is no `host:port`, [`Error::Unreachable`] if no name has an address or none of
    /// the nodes has answered within the deadline of the options: they are then asked by TCP, for a second, what is in
    /// the way. [`Error::Socket`] if the system has no socket or no
    /// random numbers.
    pub async fn connect<S: AsRef<str>>(seeds: &[S], options: Options) -> Result<Self, Error> {
        let seeds = seeds::checked(seeds)?;
        let addrs = seeds::addresses(&seeds).await?;
        let socket = seeds::socket_for(&addrs)?;
        let node = Node::guest(options.config(), entropy()?, now());
        let (driver, handle) = Driver::new(node, socket, seeds.clone(), None)?;
        let client = Self { shared: Arc::new(Shared { handle, _driver: smol::spawn(driver.run()) }) };
        match client.ask(Command::Walk { from: None, max: 1 }).await? {
            Reply::Ring { nodes, .. } if nodes.is_empty() => {
                Err(seeds::unreachable(&seeds, addrs, &options, &client.shared.handle).await)
            }
            _ => Ok(client),
        }
    }

    /// The newest value of a key, if there is one.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Unavailable`], [`Error::Unreachable`]. Asking again is always safe.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>, Error> {
        match self.ask(Command::Get { key: checked(key.as_ref())? }).await? {
            Reply::Value { content, left_ms, version, copies, owner } => {
                Ok(Some(Value { content, read: value::Read::now(left_ms), version, copies, owner: owner.addr() }))
            }
            Reply::NotFound => Ok(None),
            other => Err(Error::of(other)),
        }
    }

    /// Writes a value, of at most 1 MiB, under a key, of 1 to 255 bytes. Conditions and the like are added before it is
    /// awaited: see [`Put`].
    ///
    /// ```
    /// # use skynode::{config::Config, node::{Identity, Node}, udp};
    /// # smol::block_on(async {
    /// # let udp::Sockets { udp: socket, addr, .. } = udp::bind("127.0.0.1:0".parse()?, udp::Http::Off).unwrap();
    /// # let identity = Identity { addr, id: None };
    /// # let node = Node::new(Config::default(), identity, false, udp::entropy()?, udp::now());
    /// # smol::spawn(udp::Driver::new(node, socket, Vec::new(), None)?.0.run()).detach();
    /// # use skynode::client::{Client, Error, Options};
    /// # let client = Client::connect(&[addr.to_string()], Options::default()).await?;
    /// use std::time::Duration;
    ///
    /// let first = client.put("session", "a").kind("text/plain").ttl(Duration::from_secs(60)).await?;
    /// let second = client.put("session", "b").if_match(first.version).await?;
    /// match client.put("session", "c").if_match(first.version).await {
    ///     Err(Error::Conflict { version }) => assert_eq!(version, Some(second.version)),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> Put {
        Put::new(self.clone(), key.as_ref(), value.into())
    }

    /// Writes a value under a key that must not exist: [`Error::Conflict`] names its version if it does.
    pub fn create(&self, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> Put {
        self.put(key, value).if_absent()
    }

    /// Deletes a key. Awaited, it gives nothing if there was no such key: see [`Delete`].
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Delete {
        Delete::new(self.clone(), key.as_ref())
    }

    /// Finds the owner of a key, whether that exists or not, and the way to it.
    ///
    /// ```
    /// # use skynode::{config::Config, node::{Identity, Node}, udp};
    /// # smol::block_on(async {
    /// # let udp::Sockets { udp: socket, addr, .. } = udp::bind("127.0.0.1:0".parse()?, udp::Http::Off).unwrap();
    /// # let identity = Identity { addr, id: None };
    /// # let node = Node::new(Config::default(), identity, false, udp::entropy()?, udp::now());
    /// # smol::spawn(udp::Driver::new(node, socket, Vec::new(), None)?.0.run()).detach();
    /// # let client = skynode::client::Client::connect(&[addr.to_string()], Default::default()).await?;
    /// let found = client.lookup("greeting").await?;
    /// assert!(found.arc.contains(found.id));
    /// for hop in found.path {
    ///     println!("{}{}", hop.peer, if hop.led_on { "" } else { ", asked beside the way" });
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Unavailable`], [`Error::Unreachable`].
    pub async fn lookup(&self, key: impl AsRef<[u8]>) -> Result<Owner, Error> {
        let id = Id::of_key(&checked(key.as_ref())?);
        match self.ask(Command::Lookup { id }).await? {
            Reply::Owner { owner, arc, path } => Ok(Owner { id, owner, arc, path }),
            other => Err(Error::of(other)),
        }
    }

    /// The nodes of the ring in ring order, at most `max`, from some node on. They are asked one after the other, so
    /// the picture is of no single moment. One that does not answer, though asked again, is there with `heard` false.
    ///
    /// # Errors
    /// [`Error::Unreachable`] if none has answered, or if the walk could not be gone on with.
    pub async fn ring(&self, max: usize) -> Result<Vec<RingNode>, Error> {
        ring::walk(self, max).await
    }

    /// All keys of the ring in ring order, page by page: see [`Keys`].
    pub fn keys(&self) -> Keys {
        Keys::new(self.clone())
    }

    async fn ask(&self, command: Command) -> Result<Reply, Error> {
        self.shared.handle.ask(command).await.map_err(|_| Error::Stopped)
    }
}

/// The key, if it can be one.
fn checked(key: &[u8]) -> Result<Box<[u8]>, Error> {
    if (1..=KEY_MAX).contains(&key.len()) { Ok(key.into()) } else { Err(Error::Key { length: key.len() }) }
}

#[cfg(test)]
mod tests;
