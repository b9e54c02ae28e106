// SPDX-License-Identifier: Apache-2.0
//! hyper on tokio, as their guides show it.
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::signal::unix::{signal, SignalKind};

fn timer(ms: u64) {
    let due = Instant::now() + Duration::from_millis(ms);
    tokio::spawn(async move {
        tokio::time::sleep_until(due.into()).await;
        println!("timer {} late {} ms", ms, due.elapsed().as_millis());
    });
}

async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_string();
    let last = path.rsplit('/').next().unwrap_or("").to_string();
    if path.starts_with("/hello/") {
        return Ok(Response::new(Body::from(format!("hello {} from hyper", last))));
    }
    if path.starts_with("/timer/") {
        timer(last.parse().unwrap_or(1000));
        return Ok(Response::new(Body::from(format!("timer {} set", last))));
    }
    if path == "/echo" {
        return Ok(Response::new(request.into_body()));
    }
    Ok(Response::builder().status(404).body(Body::from("no such page")).unwrap())
}

#[tokio::main]
async fn main() {
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(answer)) });
    let server = Server::bind(&([0, 0, 0, 0], port).into()).serve(service);
    println!("listening on {}", port);
    let ended = async { signal(SignalKind::terminate()).unwrap().recv().await; };
    server.with_graceful_shutdown(ended).await.unwrap();
}
