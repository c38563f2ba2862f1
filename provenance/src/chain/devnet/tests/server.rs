//! The HTTP side: found, idle, and closed to browsers.

use std::io::{Read, Write};
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;

use super::{CHAIN_ID, Devnet, Server, ServerOptions, busy_chain, find};

async fn started(devnet: &Devnet, idle: Option<Duration>) -> (String, tokio::task::JoinHandle<crate::Result<()>>) {
    let server = Server::bind(devnet.clone(), ServerOptions { port: 0, idle }).await.unwrap();
    (server.url(), tokio::spawn(server.run(std::future::pending())))
}

#[tokio::test]
async fn server_gives_the_same_answers_and_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = busy_chain(folder.path()).await;
    let (url, server) = started(&devnet, None).await;
    let running = find(folder.path()).await.unwrap().unwrap();
    assert_eq!((running.url.as_str(), running.pid, running.chain_id), (url.as_str(), std::process::id(), CHAIN_ID));
    let provider = ProviderBuilder::new().connect_http(url.parse().unwrap());
    let inside = ProviderBuilder::new().connect_client(RpcClient::new(devnet.clone(), true));
    let (one, two) = (
        provider.get_block_by_number(BlockNumberOrTag::Latest).full().await.unwrap(),
        inside.get_block_by_number(BlockNumberOrTag::Latest).full().await.unwrap(),
    );
    assert_eq!(one, two);
    server.abort();
}

#[tokio::test]
async fn server_ends_when_nobody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let (_, server) = started(&devnet, Some(Duration::from_millis(300))).await;
    tokio::time::timeout(Duration::from_secs(60), server).await.unwrap().unwrap().unwrap();
    assert!(!folder.path().join("network.json").exists());
    assert!(find(folder.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn address_of_a_dead_server_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let (_, server) = started(&devnet, None).await;
    server.abort();
    let _ = server.await;
    assert!(folder.path().join("network.json").exists());
    assert!(find(folder.path()).await.unwrap().is_none());
    std::fs::write(folder.path().join("network.json"), "{").unwrap();
    assert!(find(folder.path()).await.unwrap().is_none());
}

/// One HTTP request as bytes, and the status line of the answer.
async fn raw(url: &str, headers: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().to_string();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
    let request = format!(
        "POST / HTTP/1.1\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let ask = move || {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_string()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn server_refuses_browsers_and_foreign_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let (url, server) = started(&devnet, None).await;
    let host = url.strip_prefix("http://").unwrap();
    let port = host.rsplit(':').next().unwrap();
    assert!(raw(&url, &format!("host: {host}\r\n")).await.contains("200"));
    assert!(raw(&url, &format!("host: localhost:{port}\r\n")).await.contains("200"));
    for headers in [
        format!("host: evil.example:{port}\r\n"),
        "host: 127.0.0.1\r\n".to_string(),
        format!("host: {host}\r\norigin: https://evil.example\r\n"),
        format!("host: {host}\r\norigin: null\r\n"),
    ] {
        let status = raw(&url, &headers).await;
        assert!(status.contains("403"), "{headers}: {status}");
    }
    server.abort();
}
