//! Probes the standard gRPC health service: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use std::error::Error;
use std::task::{Context, Poll};

use common::event::Reason;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::header::USER_AGENT;
use hyper::{HeaderMap, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::endpoint::Endpoint;
use super::request::AGENT;
use crate::failure::Failure;

/// The limit for a response, which is normally a few bytes.
const MAX_RESPONSE_BYTES: usize = 4096;

/// Checks whether `service` is serving. `metadata` is sent along; it replaces nothing that the protocol needs.
pub(super) async fn check(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    endpoint: &Endpoint,
    service: &str,
    metadata: &HeaderMap,
) -> Result<(), Failure> {
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| Failure::no_response(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let scheme = if endpoint.tls_name.is_some() { "https" } else { "http" };
    let origin = format!("{scheme}://{}:{}", endpoint.host, endpoint.port).parse::<Uri>();
    let origin = origin.map_err(|error| Failure::new(Reason::Other, error.to_string()))?;
    let mut client = HealthClient::with_origin(Connection(sender, metadata.clone()), origin)
        .max_decoding_message_size(MAX_RESPONSE_BYTES);
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = client.check(request).await.map_err(|status| failure(&status))?.into_inner();
    match response.status() {
        ServingStatus::Serving => Ok(()),
        status => Err(bad_status(format!("{}, expected SERVING", status.as_str_name()))),
    }
}

fn failure(status: &Status) -> Failure {
    if let Some(error) = hyper_error(status) {
        return Failure::no_response(error);
    }
    match status.code() {
        Code::Unimplemented => bad_status("the server has no health service (UNIMPLEMENTED)".to_owned()),
        Code::NotFound => bad_status("its health service does not know the service (NOT_FOUND)".to_owned()),
        // The server's text may be long or contain line feeds. A message is one short line.
        code => {
            let text: String = status.message().chars().take(200).filter(|c| !c.is_control()).collect();
            bad_status(format!("gRPC status {code:?}: {text}"))
        }
    }
}

fn hyper_error(status: &Status) -> Option<&hyper::Error> {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

fn bad_status(message: String) -> Failure {
    Failure::new(Reason::BadStatus, message)
}

/// The one connection of this probe and its metadata, in the form that the generated client requires.
#[derive(Clone)]
struct Connection(SendRequest<Body>, HeaderMap);

impl Service<Request<Body>> for Connection {
    type Response = Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(USER_AGENT, AGENT);
        for (name, value) in &self.1 {
            request.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        Box::pin(self.0.send_request(request))
    }
}
