//! tonic's implementation of the standard gRPC health service.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tonic_health::ServingStatus;
use tonic_health::server::health_reporter;

/// Starts a server that reports the given status for `shop.Cart`, and SERVING for the server as a whole.
pub(crate) fn start(status: ServingStatus) -> SocketAddr {
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
                let connection = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    address
}
