//! More clients than there is room for, and clients that send or read no further.

use super::*;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io::ErrorKind;

const GET: &[u8] = b"GET /storage/k HTTP/1.1\r\nHost: h\r\n\r\n";

/// Nothing that is left to itself ends within the time of a test.
fn patient() -> Limits {
    let long = Duration::from_secs(3600);
    Limits { idle: long, head: long, body: long, write: long, ..Limits::default() }
}

/// Asks this many times over kept connections, and makes another one where the answer says that this one closes.
fn ask_on(addr: SocketAddr, times: usize) {
    let mut stream = connect(addr);
    for _ in 0..times {
        stream.write_all(GET).unwrap();
        let answer = read_until(&mut stream, "\r\n\r\nk");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        if answer.contains("Connection: close\r\n") {
            stream = connect(addr);
        }
    }
}

#[test]
fn more_kept_connections_than_there_may_be_lose_no_request() {
    let addr = start(Limits { connections: 8, ..patient() });
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| ask_on(addr, 50));
        }
    });
}

#[test]
fn a_request_under_way_is_not_closed_for_room_and_others_are_told_that_there_is_none() {
    let addr = start(Limits { connections: 2, ..patient() });
    let (first, rest) = GET.split_at(20);
    let mut busy = [connect(addr), connect(addr)];
    // The answer to the first request shows that the node has the connection; then a second one begins.
    for stream in &mut busy {
        stream.write_all(&[GET, first].concat()).unwrap();
        read_until(stream, "\r\n\r\nk");
    }
    let refused = exchange(addr, str::from_utf8(GET).unwrap());
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: 1\r\n"), "{refused}");
    for stream in &mut busy {
        stream.write_all(rest).unwrap();
        assert!(read_until(stream, "\r\n\r\nk").starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn a_request_that_does_not_come_on_gives_way_with_an_answer() {
    let addr = start(Limits { connections: 2, ..patient() });
    let mut stuck = [connect(addr), connect(addr)];
    for stream in &mut stuck {
        stream.write_all(b"GET / HT").unwrap();
    }
    let begun = Instant::now();
    while !exchange(addr, &format!("{}Connection: close\r\n\r\n", "GET /storage/k HTTP/1.1\r\nHost: h\r\n"))
        .ends_with("k")
    {
        assert!(begun.elapsed() < PATIENCE);
    }
    let mut told = [0; 12];
    stuck[0].read_exact(&mut told).unwrap();
    assert_eq!(told, *b"HTTP/1.1 408");
}

#[test]
fn an_idle_connection_is_promised_less_time_than_it_has() {
    let mut stream = connect(start(Limits::default()));
    stream.write_all(GET).unwrap();
    let answer = read_until(&mut stream, "\r\n\r\nk");
    assert!(answer.contains("Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n"), "{answer}");
    assert!(Limits::default().idle > Duration::from_secs(75));
}

/// A client that asks for the same ever again and takes in little. → after the first bytes of the first answer.
fn slow_reader(addr: SocketAddr, key: &str) -> TcpStream {
    let mut stream = connect(addr);
    set_socket_recv_buffer_size(&stream, 4096).unwrap();
    let request = format!("GET /storage/long%20{key} HTTP/1.1\r\nHost: h\r\n\r\n");
    stream.write_all(request.repeat(20).as_bytes()).unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(begun, *b"HTTP/1.1 200", "{key}");
    stream
}

#[test]
fn readers_of_one_value_take_the_memory_of_one() {
    let addr = start(Limits { bodies: 2 * LONG, ..patient() });
    let slow: Vec<_> = (0..12).map(|_| slow_reader(addr, "same")).collect();
    // Beside theirs there is room for one more.
    drop(slow_reader(addr, "another"));
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut some = vec![0; 64 << 10];
        // It goes on where it was: nobody gave way.
        assert!(matches!(stream.read(&mut some), Ok(1..)));
    }
}

#[test]
fn readers_that_do_not_come_on_give_way_to_others() {
    let addr = start(Limits { bodies: 4 * LONG, ..patient() });
    // Each would hold its value without end: the later ones are served as the first ones are cut off.
    let slow: Vec<_> = (0..10).map(|number| slow_reader(addr, &number.to_string())).collect();
    drop(slow);
}

#[test]
fn bodies_that_do_not_come_give_way_to_others() {
    let addr = start(Limits { bodies: LONG, ..patient() });
    let mut stuck = connect(addr);
    stuck
        .write_all(format!("PUT /storage/k HTTP/1.1\r\nHost: h\r\nContent-Length: {LONG}\r\n\r\n").as_bytes())
        .unwrap();
    drop(slow_reader(addr, "1"));
    let mut told = [0; 12];
    stuck.read_exact(&mut told).unwrap();
    assert_eq!(told, *b"HTTP/1.1 408");
}

#[test]
fn the_one_that_listens_longest_gives_way_to_the_next() {
    let addr = start(Limits::default());
    let mut listeners: Vec<_> = (0..65)
        .map(|_| {
            let mut stream = connect(addr);
            stream.write_all(b"GET /events?key=k HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
            assert!(read_until(&mut stream, "\n\n").starts_with("HTTP/1.1 200 "));
            stream
        })
        .collect();
    let mut rest = String::new();
    listeners[0].read_to_string(&mut rest).unwrap();
    listeners[1].set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(listeners[1].read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock, "the others listen on");
}
