//! Members finding each other and talking: libp2p over TCP, Noise and Yamux.
//!
//! A member dials every address it knows of every member it is not connected to, for ever. Addresses
//! come from the configuration (`bootstrap`), from a file of those learnt earlier, and from connected
//! members, who tell each other what they know; so a member is found through any other one. An
//! address is only a hint: who answers there is proved by the Noise handshake, and only members and
//! admitted observers get past it.
//!
//! A connection carries two streams, so that a vote never waits behind megabytes of orders: `/dexter/1`
//! for small messages and everything else, `/dexter/1/bulk` for batches and runs of blocks. Each side's
//! first frame is a greeting that says which network it belongs to; after that frames are messages
//! ([`types::Message`]), keep-alives and addresses.
//!
//! | module | subject |
//! | --- | --- |
//! | [`Config`] | what a network is started with |
//! | [`Handle`], [`Events`] | how the rest of the program sends and receives |
//! | `router` | the one task that owns the swarm: it dials and decides who stays connected |
//! | `link` | one connection: greeting, then reading and writing frames |
//! | `transport` | libp2p put together, with its limits |
//! | `behaviour` | libp2p's side: admission after the handshake, opening the streams |
//! | `addresses` | who may be where, and when to try next |
//! | `frames`, `queue` | the bytes on the wire, and what waits to be sent |

mod addresses;
mod behaviour;
mod config;
mod event;
mod frames;
mod handle;
mod link;
mod queue;
mod router;
#[cfg(test)]
mod tests;
mod transport;

pub use config::{Config, Hello, NamedKey, NetworkError};
pub use event::{Event, Events};
pub use frames::{Encoded, MessageTooLarge, WIRE_VERSION};
pub use handle::{Handle, PeerSnapshot};

/// Where a network is started.
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Starts listening and dialling; must be called on a tokio runtime. It ends by
    /// [`Handle::shutdown`], or when the [`Events`] are dropped.
    ///
    /// # Errors
    /// When an address cannot be listened on or a key of the configuration is no Ed25519 key.
    pub fn start(config: Config) -> Result<(Handle, Events), NetworkError> {
        let (router, handle, events) = router::Router::new(config)?;
        handle.runs_as(tokio::spawn(router.run()));
        Ok((handle, events))
    }
}
