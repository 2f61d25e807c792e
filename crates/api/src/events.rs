//! The event stream.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event as SentEvent, KeepAlive},
    },
};
use futures::{Stream, stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::{
    extract::Parameters,
    feed::{Event, Subscription},
    model::{EventData, ProblemBody},
    problem::{PROBLEM_JSON, Problem},
    state::{Shared, wait_for_stop},
};

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParameters {
    /// Events behind this one, for clients that cannot set `Last-Event-ID`, which goes first.
    after: Option<u64>,
}

/// One listener; the permit is given back when it goes.
struct Listener {
    subscription: Subscription,
    app: Shared,
    _permit: OwnedSemaphorePermit,
}

/// Streams what happens, as server-sent events.
///
/// Each event's name is its kind and its data is JSON. After a lost connection, `Last-Event-ID` goes on
/// where it was; an event `reset` says that some in between are not known any more, so that the state
/// must be read again.
#[utoipa::path(
    get, path = "/v1/events", tag = "network",
    params(
        EventParameters,
        ("Last-Event-ID" = Option<u64>, Header, description = "the id of the last event that was received"),
    ),
    responses(
        (status = 200, description = "events, each with id, name and data", body = EventData,
            content_type = "text/event-stream"),
        (status = 400, description = "not an event id", body = ProblemBody, content_type = PROBLEM_JSON),
        (status = 503, description = "too many listeners", body = ProblemBody, content_type = PROBLEM_JSON),
    )
)]
pub(crate) async fn listen(
    State(app): State<Shared>,
    Parameters(parameters): Parameters<EventParameters>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SentEvent, Infallible>>>, Problem> {
    let after = match headers.get("last-event-id") {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            let wrong = || {
                Problem::malformed(
                    "Last-Event-ID is not an id of this stream; leave it out to begin anew",
                )
            };
            Some(id.ok_or_else(wrong)?)
        }
        None => parameters.after,
    };
    let permit = app.event_listeners.clone().try_acquire_owned();
    let permit =
        permit.map_err(|_| Problem::busy("too many listen to events already; try again later"))?;
    let subscription = app.backend.events().subscribe(after);
    let listener = Listener {
        subscription,
        app,
        _permit: permit,
    };
    Ok(Sse::new(stream::unfold(listener, next_event)).keep_alive(KeepAlive::default()))
}

async fn next_event(mut listener: Listener) -> Option<(Result<SentEvent, Infallible>, Listener)> {
    let event = tokio::select! {
        event = listener.subscription.next() => event,
        () = wait_for_stop(listener.app.stopping.clone()) => return None,
    };
    Some((Ok(sent(&event)), listener))
}

fn sent(event: &Event) -> SentEvent {
    let data = serde_json::to_string(&event.data);
    assert!(data.is_ok(), "an event's data is always JSON");
    SentEvent::default()
        .id(event.id.to_string())
        .event(event.data.kind())
        .data(data.unwrap_or_default())
}
