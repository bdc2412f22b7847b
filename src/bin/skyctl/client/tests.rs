use super::*;
use std::net::TcpListener;
use std::thread;

/// Gives these answers, one to each request; an empty one closes the connection. → the requests.
fn serve(answers: &'static [&'static str]) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        let (mut heard, mut stream) = (Vec::new(), None);
        for answer in answers {
            let mut open = stream.take().unwrap_or_else(|| BufReader::new(listener.accept().unwrap().0));
            let mut text = String::new();
            while !text.ends_with("\r\n\r\n") {
                assert!(open.read_line(&mut text).unwrap() > 0, "{text}");
            }
            let length =
                text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
            let mut body = vec![0; length];
            open.read_exact(&mut body).unwrap();
            heard.push(text + str::from_utf8(&body).unwrap());
            if !answer.is_empty() {
                open.get_mut().write_all(answer.as_bytes()).unwrap();
                stream = Some(open);
            }
        }
        heard
    });
    (node, serving)
}

fn get(target: &str) -> Request<'_> {
    Request { method: "GET", target, ..Request::default() }
}

#[test]
fn a_connection_is_kept_and_made_anew_when_the_node_closed_it() {
    const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    let (node, serving) = serve(&[TWO, "HTTP/1.1 204 No Content\r\n\r\n", "", TWO]);
    let mut client = Client::new(node.clone());
    assert_eq!(client.ask(get("/a")).unwrap().body, b"ab");
    assert_eq!(client.ask(get("/b")).unwrap().status, 204);
    assert_eq!(client.ask(get("/c")).unwrap().body, b"ab");
    let heard = serving.join().unwrap();
    assert_eq!(heard[0], format!("GET /a HTTP/1.1\r\nHost: {node}\r\n\r\n"));
    assert_eq!(heard[2], heard[3]);
}

#[test]
fn what_cannot_be_done_now_is_asked_again_and_what_is_unknown_under_its_name() {
    let (node, serving) = serve(&[
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 504 Gateway Timeout\r\nRetry-After: 0\r\nSky-Operation: ab-1-2\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 201 Created\r\nSky-Operation: ab-1-2\r\nContent-Length: 0\r\n\r\n",
    ]);
    let mut client = Client::new(node);
    let operation = Some(String::from("ab"));
    let put = Request { method: "PUT", target: "/storage/k", fields: "A: b\r\n", operation, body: Some(b"v") };
    assert_eq!(client.ask(put).unwrap().status, 201);
    let heard = serving.join().unwrap();
    assert!(heard[0].contains("\r\nA: b\r\nSky-Operation: ab\r\nContent-Length: 1\r\n\r\nv"), "{heard:?}");
    assert!(heard[1] == heard[0] && heard[2].contains("Sky-Operation: ab-1-2\r\n"), "{heard:?}");
}

#[test]
fn who_is_not_there_or_speaks_something_else_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let Unreachable(why) = Client::new(free.clone()).ask(get("/")).unwrap_err();
    assert!(why.starts_with(&free), "{why}");
    for text in ["", "SSH-2.0\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "HTTP/1.1 200 OK\r\n\r\n"] {
        assert!(read_answer(&mut text.as_bytes()).is_err(), "{text:?}");
    }
    let problem = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 20\r\n\r\n{\"detail\":\"too big\"}";
    assert_eq!(read_answer(&mut problem.as_bytes()).unwrap().words(), "413 too big");
}

#[test]
fn the_path_of_a_key_has_any_byte() {
    assert_eq!(path(b"a/\xff"), "/storage/a%2F%FF");
}
