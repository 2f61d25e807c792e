//! libp2p's side: who is admitted after the Noise handshake, and opening a connection's two streams.
//!
//! `libp2p-stream` is not used: it does not say which connection a stream belongs to, and two
//! connections of one peer must be told apart to notice a second holder of its key.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    task::{Context, Poll, Waker},
};

use futures::future::Either;
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, connection_limits,
    core::{
        Endpoint,
        transport::PortUse,
        upgrade::{ReadyUpgrade, SelectUpgrade},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use types::IdentityPublicKey;

/// For messages that must be fast, and for everything about the connection.
const SMALL_PROTOCOL: StreamProtocol = StreamProtocol::new("/dexter/1");
/// For batches and runs of blocks.
const BULK_PROTOCOL: StreamProtocol = StreamProtocol::new("/dexter/1/bulk");

/// What the swarm does.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    doors: Doors,
}

impl Behaviour {
    pub(crate) fn new(
        limits: connection_limits::ConnectionLimits,
        admitted: BTreeMap<PeerId, IdentityPublicKey>,
    ) -> Self {
        let doors = Doors {
            admitted,
            opened: VecDeque::new(),
            waker: None,
        };
        Self {
            limits: connection_limits::Behaviour::new(limits),
            doors,
        }
    }
}

/// The two streams of a connection.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) small: Stream,
    pub(crate) bulk: Stream,
}

/// A connection's streams are open, or cannot be opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: ConnectionId,
    pub(crate) streams: Result<Streams, String>,
}

/// Somebody who is neither a member nor an admitted observer.
#[derive(Debug, thiserror::Error)]
#[error("neither a member nor an admitted observer")]
pub(crate) struct NotAdmitted;

/// Lets in whom it knows, and hands on the streams of their connections.
pub(crate) struct Doors {
    admitted: BTreeMap<PeerId, IdentityPublicKey>,
    /// At most one for every connection.
    opened: VecDeque<Opened>,
    waker: Option<Waker>,
}

impl Doors {
    fn admit(&self, peer: &PeerId, dialled: bool) -> Result<Opening, ConnectionDenied> {
        if !self.admitted.contains_key(peer) {
            return Err(ConnectionDenied::new(NotAdmitted));
        }
        // Only the dialler opens streams; each carries both directions.
        let requests = if dialled {
            vec![Lane::Bulk, Lane::Small]
        } else {
            Vec::new()
        };
        Ok(Opening {
            requests,
            small: None,
            bulk: None,
            failed: None,
            done: false,
        })
    }
}

impl NetworkBehaviour for Doors {
    type ConnectionHandler = Opening;
    type ToSwarm = Opened;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer, false)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer, true)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        connection: ConnectionId,
        streams: THandlerOutEvent<Self>,
    ) {
        self.opened.push_back(Opened {
            connection,
            streams,
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(opened));
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// One of the two streams.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lane {
    Small,
    Bulk,
}

/// Opens the two streams of one connection, hands them on, and takes no further ones. A connection
/// without streams is closed by the swarm's idle timeout.
pub(crate) struct Opening {
    /// Still to be asked for, last first.
    requests: Vec<Lane>,
    small: Option<Stream>,
    bulk: Option<Stream>,
    failed: Option<String>,
    done: bool,
}

impl ConnectionHandler for Opening {
    type FromBehaviour = Infallible;
    type ToBehaviour = Result<Streams, String>;
    type InboundProtocol =
        SelectUpgrade<ReadyUpgrade<StreamProtocol>, ReadyUpgrade<StreamProtocol>>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Lane;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let (small, bulk) = (
            ReadyUpgrade::new(SMALL_PROTOCOL),
            ReadyUpgrade::new(BULK_PROTOCOL),
        );
        SubstreamProtocol::new(SelectUpgrade::new(small, bulk), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Lane, Self::ToBehaviour>> {
        if let Some(lane) = self.requests.pop() {
            let protocol = match lane {
                Lane::Small => SMALL_PROTOCOL,
                Lane::Bulk => BULK_PROTOCOL,
            };
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(protocol), lane);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        let streams = match (self.failed.take(), self.small.take(), self.bulk.take()) {
            (Some(reason), _, _) => Err(reason),
            (None, Some(small), Some(bulk)) => Ok(Streams { small, bulk }),
            (None, small, bulk) => {
                (self.small, self.bulk) = (small, bulk);
                // The connection polls again after every event it delivers, so no waker is needed.
                return Poll::Pending;
            }
        };
        self.done = true;
        Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(streams))
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Lane>,
    ) {
        if self.done {
            return;
        }
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => match protocol {
                Either::Left(small) => self.small = Some(small),
                Either::Right(bulk) => self.bulk = Some(bulk),
            },
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => match info {
                Lane::Small => self.small = Some(protocol),
                Lane::Bulk => self.bulk = Some(protocol),
            },
            ConnectionEvent::DialUpgradeError(error) => {
                self.failed = Some(format!(
                    "it does not speak {SMALL_PROTOCOL}: {}",
                    error.error
                ));
            }
            _ => {}
        }
    }
}
