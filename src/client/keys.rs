//! The keys of the whole ring, page by page.

use super::{Client, Error};
use crate::id::Id;
use crate::limits::LIST_MAX;
use crate::node::{Command, OwnedKey, Reply};

/// A place in the list of all keys, which are in the order of their positions on the ring.
///
/// Every key that exists from the first page to the last is listed exactly once, whatever happens to the ring
/// meanwhile; one that is created, deleted or ends meanwhile is listed once or not at all. Where nobody answers for a
/// stretch of the ring a page ends before it, and the next one is an error until somebody does: nothing is passed over.
#[derive(Clone, Debug)]
pub struct Keys {
    client: Client,
    /// Where to go on, behind this key if there is one; `None` at the end.
    next: Option<(Id, Option<Box<[u8]>>)>,
}

impl Keys {
    pub(super) fn new(client: Client) -> Self {
        Self { client, next: Some((Id::new(0), None)) }
    }

    /// Goes on behind this key, whether that exists or not.
    #[must_use]
    pub fn after(mut self, key: impl AsRef<[u8]>) -> Self {
        let key = key.as_ref();
        self.next = Some((Id::of_key(key), Some(key.into())));
        self
    }

    /// The next keys, at most `limit` (1 to 1,000) of them and perhaps none, or `None` if the list is at its end.
    ///
    /// ```
    /// # use skynode::{config::Config, node::{Identity, Node}, udp};
    /// # smol::block_on(async {
    /// # let udp::Sockets { udp: socket, addr, .. } = udp::bind("127.0.0.1:0".parse()?, udp::Http::Off).unwrap();
    /// # let identity = Identity { addr, id: None };
    /// # let node = Node::new(Config::default(), identity, false, udp::entropy()?, udp::now());
    /// # smol::spawn(udp::Driver::new(node, socket, Vec::new(), None)?.0.run()).detach();
    /// # let client = skynode::client::Client::connect(&[addr.to_string()], Default::default()).await?;
    /// for key in ["a", "b", "c"] {
    ///     client.put(key, "value").await?;
    /// }
    /// let (mut keys, mut all) = (client.keys(), Vec::new());
    /// while let Some(page) = keys.page(2).await? {
    ///     all.extend(page);
    /// }
    /// assert_eq!(all.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Unreachable`]. Asked again, it goes on where it was.
    pub async fn page(&mut self, limit: usize) -> Result<Option<Vec<OwnedKey>>, Error> {
        let Some((from, after)) = self.next.clone() else { return Ok(None) };
        let limit = limit.clamp(1, LIST_MAX);
        match self.client.ask(Command::List { from, after, limit }).await? {
            Reply::Listed { entries, next } => {
                let last = entries.last().map(|last| (last.id, last.key.clone()));
                self.next = next.map(|next| match last {
                    Some((id, key)) if id == next => (next, Some(key)),
                    _ => (next, None),
                });
                Ok(Some(entries))
            }
            other => Err(Error::of(other)),
        }
    }
}
