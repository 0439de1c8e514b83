//! Pingora doing what `changeover` is measured at: 5 % of visitors on new, by a cookie that keeps them there;
//! `X-Forwarded-For` appended, `Via` and a request id; pooled upstream connections; time-outs on.

mod visitor;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use async_trait::async_trait;
use clap::Parser;
use pingora_core::{
    Result,
    listeners::tls::TlsSettings,
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use crate::visitor::{Side, Visitor};

const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(60);
const WRITE: Duration = Duration::from_secs(30);
const UPSTREAM_IDLE: Duration = Duration::from_secs(60);
const VIA: &str = "1.1 pingora";

#[derive(Parser)]
struct Arguments {
    /// Where plain clients connect
    #[arg(long)]
    plain: SocketAddr,
    /// Where TLS clients connect
    #[arg(long)]
    tls: SocketAddr,
    /// PEM file of the certificate chain
    #[arg(long)]
    chain: PathBuf,
    /// PEM file of the key
    #[arg(long)]
    key: PathBuf,
    /// The old environment
    #[arg(long)]
    old: SocketAddr,
    /// The new one
    #[arg(long)]
    new: SocketAddr,
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

struct Split {
    old: SocketAddr,
    new: SocketAddr,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let conf = ServerConf {
        threads: arguments.threads,
        upstream_keepalive_pool_size: 1024,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let split = Split {
        old: arguments.old,
        new: arguments.new,
    };
    let mut service = http_proxy_service(&server.configuration, split);
    service.add_tcp(&arguments.plain.to_string());
    let mut tls = TlsSettings::intermediate(
        &arguments.chain.to_string_lossy(),
        &arguments.key.to_string_lossy(),
    )?;
    tls.enable_h2();
    service.add_tls_with_settings(&arguments.tls.to_string(), None, tls);
    server.add_service(service);
    server.run_forever();
}

#[async_trait]
impl ProxyHttp for Split {
    type CTX = Visitor;

    fn new_ctx(&self) -> Visitor {
        Visitor::default()
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        visitor: &mut Visitor,
    ) -> Result<Box<HttpPeer>> {
        *visitor = Visitor::of(session.req_header());
        let address = match visitor.side() {
            Side::Old => self.old,
            Side::New => self.new,
        };
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.connection_timeout = Some(CONNECT);
        peer.options.read_timeout = Some(READ);
        peer.options.write_timeout = Some(WRITE);
        peer.options.idle_timeout = Some(UPSTREAM_IDLE);
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        _: &mut Visitor,
    ) -> Result<()> {
        if let Some(client) = session.client_addr().and_then(|it| it.as_inet()) {
            request.append_header("x-forwarded-for", client.ip().to_string())?;
        }
        request.append_header("via", VIA)?;
        let id = format!("{:032x}", fastrand::u128(..));
        request.insert_header("x-request-id", id)?;
        Ok(())
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        visitor: &mut Visitor,
    ) -> Result<()> {
        response.append_header("via", VIA)?;
        if let Some(cookie) = visitor.new_cookie() {
            response.append_header("set-cookie", cookie)?;
        }
        Ok(())
    }
}
