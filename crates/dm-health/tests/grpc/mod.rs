//! tonic's implementation of the standard gRPC health service.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http2;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tonic::Status;
use tonic_health::ServingStatus;
use tonic_health::server::health_reporter;

/// Starts a server that reports the given status for `shop.Cart`, and SERVING for the server as a whole.
pub(crate) fn start(status: ServingStatus) -> SocketAddr {
    start_for(status, None)
}

/// The same for clients whose metadata has this authorization.
pub(crate) fn start_for(status: ServingStatus, authorization: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (reporter, service) = health_reporter();
            reporter.set_service_status("shop.Cart", status).await;
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                    let is_allowed = authorization.is_none() || sent == authorization;
                    let answer = is_allowed.then(|| service.call(request));
                    async move {
                        match answer {
                            Some(answer) => answer.await,
                            None => Ok(Status::unauthenticated("no token").into_http()),
                        }
                    }
                });
                let connection = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    address
}
