// SPDX-License-Identifier: Apache-2.0
// What functions in Rust do with the standard library: serve, files, children, threads.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::{env, fs, process, thread, time};

fn files() -> std::io::Result<()> {
    let dir = env::temp_dir().join(format!("w{}", process::id()));
    fs::create_dir(&dir)?;
    fs::write(dir.join("a"), vec![0u8; 100000])?;
    fs::copy(dir.join("a"), dir.join("b"))?;
    fs::rename(dir.join("b"), dir.join("c"))?;
    fs::hard_link(dir.join("a"), dir.join("d"))?;
    std::os::unix::fs::symlink("a", dir.join("l"))?;
    fs::canonicalize(dir.join("l"))?;
    let f = fs::OpenOptions::new().write(true).open(dir.join("a"))?;
    f.set_len(10)?;
    f.sync_all()?;
    f.sync_data()?;
    fs::remove_dir_all(dir)
}

fn work(mut peer: TcpStream) -> std::io::Result<()> {
    peer.set_read_timeout(Some(time::Duration::from_secs(1)))?;
    peer.set_nodelay(true)?;
    let _ = peer.read(&mut [0u8; 4096])?;
    files()?;
    process::Command::new("/bin/sh").args(["-c", "echo a | cat"]).output()?;
    let mut child = process::Command::new("sleep").arg("9").spawn()?;
    child.kill()?;
    child.wait()?;
    thread::spawn(|| thread::sleep(time::Duration::from_millis(1))).join().ok();
    thread::available_parallelism()?;
    let u = UdpSocket::bind("127.0.0.1:0")?;
    u.send_to(b"a", u.local_addr()?)?;
    u.recv_from(&mut [0u8; 1])?;
    let mut names = std::collections::HashMap::new();
    names.insert(1, 2);
    peer.set_nonblocking(true)?;
    peer.write_all(b"HTTP/1.0 200 OK\r\n\r\ndone")
}

fn main() {
    let port = env::var("PORT").unwrap();
    for peer in TcpListener::bind(format!("127.0.0.1:{port}")).unwrap().incoming() {
        if let Err(e) = work(peer.unwrap()) {
            println!("{e}");
        }
    }
}
