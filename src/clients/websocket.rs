//! A websocket to a service, through the same certificates, proxy, headers and time limits as its requests: it begins as
//! one, and the connection is taken over once the server agrees.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, StatusCode};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use url::Url;

use super::answer::Answer;
use super::connection;
use super::http::{Request, Sender};
use crate::error::{Error, Kind, Result};

/// The other side is asked whether it is still there after so long a silence.
const PING: Duration = Duration::from_secs(10);
/// And is taken for gone when it says nothing to that for so long.
const PONG: Duration = Duration::from_secs(10);

/// An open websocket.
pub struct Socket {
    stream: WebSocketStream<reqwest::Upgraded>,
    service: &'static str,
    url: Url,
}

impl Socket {
    /// Opens one. What the server refuses is an error with its words; nothing is tried again.
    pub async fn open(sender: &Sender, request: Request) -> Result<Socket> {
        let url = request.url(&sender.settings().url)?;
        let bound = sender.settings().transport.timeout;
        match timeout(bound, shake_hands(sender, &request, &url)).await {
            Ok(opened) => opened,
            Err(_) => Err(sender.silent(&request.method, &url, bound)),
        }
    }

    /// The next text that comes. None where the other side has closed. A side that has gone without a word is found out
    /// by pings.
    pub async fn text(&mut self) -> Result<Option<String>> {
        let mut asked = false;
        loop {
            let patience = if asked { PONG } else { PING };
            match timeout(patience, self.stream.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return Ok(Some(text.as_str().to_owned())),
                Ok(None | Some(Ok(Message::Close(_)))) => return Ok(None),
                Ok(Some(Ok(_))) => asked = false,
                Ok(Some(Err(error))) => return Err(self.broken().caused_by(&error)),
                Err(_) if asked => return Err(self.broken().cause("it answers no ping")),
                Err(_) => {
                    let ping = self.stream.send(Message::Ping(Vec::new().into())).await;
                    ping.map_err(|error| self.broken().caused_by(&error))?;
                    asked = true;
                }
            }
        }
    }

    fn broken(&self) -> Error {
        Error::new(
            Kind::Unavailable,
            format!("the websocket to {} broke off", self.service),
        )
        .request(self.service, "GET", self.url.as_str())
    }
}

async fn shake_hands(sender: &Sender, request: &Request, url: &Url) -> Result<Socket> {
    let service = sender.name();
    // An upgrade is a matter of HTTP/1.1; HTTP/2 would be agreed on otherwise.
    let builder = connection::builder(
        service,
        &sender.settings().url,
        &sender.settings().transport,
    )?;
    let client = connection::build(service, builder.http1_only())?;
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let mut headers = sender.headers(None)?;
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let header = HeaderValue::from_str(&key).map_err(|_| Error::internal("a websocket's key"))?;
    headers.insert(SEC_WEBSOCKET_KEY, header);
    sender.tracer().sent(
        service,
        request.method.as_str(),
        url.as_str(),
        &headers,
        None,
    );
    let began = Instant::now();
    let unreached = |error: &reqwest::Error| sender.unreached(&request.method, url, error).error();
    let asked = client
        .request(request.method.clone(), url.clone())
        .headers(headers);
    let response = asked.send().await.map_err(|error| unreached(&error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    sender
        .tracer()
        .came_back(service, status.as_u16(), began.elapsed(), &headers, None);
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let body = response.bytes().await.map_err(|error| unreached(&error))?;
        let (status, url) = (status.as_u16(), url.clone());
        return Err(sender.refused(&Answer {
            status,
            headers,
            body,
            url,
            method: request.method.clone(),
            service,
        }));
    }
    let accepted = headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        let message = format!("{service} agreed to another websocket than was asked for");
        return Err(sender.at(Error::new(Kind::Protocol, message), &request.method, url));
    }
    let connection = response
        .upgrade()
        .await
        .map_err(|error| unreached(&error))?;
    let stream = WebSocketStream::from_raw_socket(connection, Role::Client, None).await;
    Ok(Socket {
        stream,
        service,
        url: url.clone(),
    })
}
