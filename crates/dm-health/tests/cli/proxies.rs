//! Stories of proxies.

use super::*;

use testkit::https::{Authority, Flaw};
use testkit::tunnel::Proxy;

fn through(run: &Run, variables: &[(&str, &str)]) -> Assert {
    let mut command = run.command();
    command.envs(variables.iter().copied());
    Command::from_std(command).timeout(Duration::from_mins(2)).assert()
}

#[test]
fn a_request_goes_through_the_proxy_of_the_environment() {
    let proxy = Server::start(&[OK]);
    let url = proxy.url("").replace("http://", "http://us:secret@");
    through(&Run::new("http://shop.invalid:8080/health?v=1", ""), &[("HTTP_PROXY", &url)]).code(0);
    let request = proxy.requests().remove(0);
    assert!(request.starts_with("GET http://shop.invalid:8080/health?v=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: shop.invalid:8080\r\n"), "{request}");
    // printf us:secret | base64
    assert!(request.contains("proxy-authorization: Basic dXM6c2VjcmV0\r\n"), "{request}");

    let service = Server::start(&[OK]);
    let down = Server::refusing();
    through(&Run::new(&service.url("/"), ""), &[("HTTP_PROXY", &down), ("NO_PROXY", "127.0.0.1")]).code(0);
    assert_eq!(service.requests().len(), 1);
}

#[test]
fn a_tunnel_leads_to_a_tls_server() {
    let authority = Authority::new();
    let server = authority.server(Flaw::None);
    let proxy = Proxy::start(Some(server.replace("https://", "")));
    let ca = authority.file().display().to_string();
    let run = Run::new("https://127.0.0.1:4443/", "--max-fail 1");
    through(&run, &[("https_proxy", &proxy.url), ("SSL_CERT_FILE", &ca)]).code(0);
    let request = proxy.requests().remove(0);
    assert!(request.starts_with("CONNECT 127.0.0.1:4443 HTTP/1.1\r\n"), "{request}");

    let proxy = Proxy::start(None);
    through(&Run::new("https://127.0.0.1:4443/", "--max-fail 1"), &[("HTTPS_PROXY", &proxy.url)])
        .code(1)
        .stderr(contains(format!("the proxy {} cannot connect to 127.0.0.1:4443: status 502", proxy.url)));
}

#[test]
fn a_proxy_that_is_down_says_nothing_about_the_service() {
    let service = Server::start(&[OK]);
    let down = Server::refusing();
    let down = down.trim_end_matches('/');
    through(&Run::new(&service.url("/"), "--max-fail 1"), &[("HTTP_PROXY", down)])
        .code(3)
        .stderr(contains(format!("the proxy {down}: connection refused")));
    assert_eq!(service.requests(), Vec::<String>::new());
}

#[test]
fn an_invalid_proxy_is_an_error_without_its_value() {
    let run = Run::new("http://127.0.0.1:1/", "");
    through(&run, &[("HTTP_PROXY", "ftp://us:secret@proxy")])
        .code(2)
        .stderr(contains("HTTP_PROXY is not the URL of a proxy").and(contains("secret").not()));
    through(&run, &[("ALL_PROXY", "socks5://proxy:1080")])
        .code(2)
        .stderr(contains("a socks5 proxy is not supported"));
}
