use super::*;

fn read_texts(texts: &[&str]) -> Result<Options, Exit> {
    read_with(texts, &[])
}

fn read_with(texts: &[&str], variables: &[(&str, &str)]) -> Result<Options, Exit> {
    let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, text)| OsString::from(text));
    read(["skynode"].iter().chain(texts).map(OsString::from), value)
}

fn wrong(texts: &[&str]) -> String {
    match read_texts(texts) {
        Err(Exit::Wrong(text)) => text,
        other => panic!("{texts:?}: {other:?}"),
    }
}

#[test]
fn nothing_given_is_a_ring_of_one_on_this_machine() {
    let options = read_texts(&[]).unwrap();
    assert_eq!(options.listen.to_string(), "127.0.0.1:4321");
    assert!(options.join.is_empty() && options.id.is_none() && options.advertise.is_none());
    assert_eq!((options.config.ring.as_str(), options.log), ("sky", LevelFilter::Info));
    assert_eq!((options.config.leave_timeout, options.config.reopen_after), (Duration::from_secs(8), None));
    assert_eq!((options.config.min_nodes, options.config.value_max), (1, 1 << 20));
}

#[test]
fn every_option_is_read() {
    #[rustfmt::skip]
    let options = read_texts(&[
        "-l", "[::]:0", "-j", "a.example:1", "--join", "[::1]:65535", "-i", "000102030405060708090a0b0c0d0e0f",
        "-a", "192.0.2.7:4", "--ring", "mine", "--log", "trace", "--leave-timeout", "0.25",
        "--reopen-after", "3600", "--min-nodes", "9", "--http", "127.0.0.1:80", "--host", "sky.example", "--check",
        "--max-value", "65536", "--max-memory", "64",
        "--cors", "https://a.example", "--cors", "http://b:81, http://[::1]",
    ]);
    let options = options.unwrap();
    assert_eq!(options.listen, "[::]:0".parse().unwrap());
    assert_eq!(options.join, ["a.example:1", "[::1]:65535"]);
    assert_eq!(options.id.unwrap().to_string(), "000102030405060708090a0b0c0d0e0f");
    assert_eq!(options.advertise, Some("192.0.2.7:4".parse().unwrap()));
    assert_eq!((options.config.ring.as_str(), options.log), ("mine", LevelFilter::Trace));
    assert_eq!(options.config.leave_timeout, Duration::from_millis(250));
    assert_eq!((options.config.reopen_after, options.config.min_nodes), (Some(Duration::from_secs(3600)), 9));
    assert_eq!((options.config.value_max, options.config.memory_max), (65536, 64 << 20));
    assert_eq!(options.http, Http::At("127.0.0.1:80".parse().unwrap()));
    assert_eq!((options.hosts, options.check), ([String::from("sky.example")].into_iter().collect(), true));
    let origins = ["https://a.example", "http://b:81", "http://[::1]"].map(String::from);
    assert_eq!(options.origins, origins.into_iter().collect());
    let told = read_with(&[], &[("SKY_CORS", "http://a, https://b.example:8443")]).unwrap().origins;
    assert_eq!(told, ["http://a", "https://b.example:8443"].map(String::from).into_iter().collect());
    assert!(read_texts(&["--tied"]).unwrap().tied && !read_texts(&[]).unwrap().tied);
    assert_eq!(read_texts(&["--leave-timeout", "0"]).unwrap().config.leave_timeout, Duration::ZERO);
    assert_eq!(read_texts(&["--leave-timeout", "3600"]).unwrap().config.leave_timeout, Duration::from_secs(3600));
}

#[test]
fn what_is_wrong_is_said_in_one_line_with_what_is_allowed() {
    for (texts, part) in [
        (&["--fast"][..], "--fast"),
        (&["stray"], "stray"),
        (&["--max-value", "511"], "512 to 1048576"),
        (&["--max-value", "1048577"], "512 to 1048576"),
        (&["--max-memory", "3"], "4 to 1048576"),
        (&["--max-memory", "1048577"], "4 to 1048576"),
        (&["-l"], "--help"),
        (&["-l", "nonsense"], "ip:port"),
        (&["-l", "127.0.0.1"], "ip:port"),
        (&["-l", "127.0.0.1:65536"], "ip:port"),
        (&["-l", "localhost:4321"], "ip:port"),
        (&["--http", "on"], "or nowhere: off"),
        (&["--http", "8080"], "or nowhere: off"),
        (&["--host", "sky.example:4321"], "without a port"),
        (&["--host", ""], "without a port"),
        (&["--cors", "*"], "every page that somebody opens"),
        (&["--cors", "http://a,*"], "every page that somebody opens"),
        (&["--cors", "null"], "every page that somebody opens"),
        (&["--cors", ""], "an origin is"),
        (&["--cors", "app.example"], "an origin is"),
        (&["--cors", "http://"], "an origin is"),
        (&["--cors", "ftp://a.example"], "an origin is"),
        (&["--cors", "HTTP://a.example"], "an origin is"),
        (&["--cors", "http://A.example"], "an origin is"),
        (&["--cors", "http://a.example/"], "an origin is"),
        (&["--cors", "http://*.example"], "an origin is"),
        (&["--cors", "http://a.example:80"], "an origin is"),
        (&["--cors", "https://a.example:443"], "an origin is"),
        (&["--cors", "http://a.example:"], "an origin is"),
        (&["--cors", "http://a.example:08080"], "an origin is"),
        (&["--cors", "http://a.example:65536"], "an origin is"),
        (&["--cors", "http://[::0]"], "an origin is"),
        (&["--cors", "http://u@a.example"], "an origin is"),
        (&["-l", "127.0.0.1:1", "-l", "127.0.0.1:2"], "duplicate"),
        (&["-j", "sky.example"], "host:port"),
        (&["-j", "sky.example:"], "host:port"),
        (&["-j", "sky.example:0"], "host:port"),
        (&["-j", "sky.example:+1"], "host:port"),
        (&["-j", ":4321"], "host:port"),
        (&["-j", "::1:4321"], "host:port"),
        (&["-j", "a b:4321"], "host:port"),
        (&["-i", "12"], "32 hexadecimal digits"),
        (&["-i", "g00102030405060708090a0b0c0d0e0f"], "32 hexadecimal digits"),
        (&["-a", "0.0.0.0:4321"], "others cannot reach"),
        (&["-a", "192.0.2.7:0"], "others cannot reach"),
        (&["-a", "[fe80::1]:4321"], "good on one link"),
        (&["-l", "[fe80::1%eth0]:4321"], "the part behind %"),
        (&["-j", "[fe80::1%2]:4321"], "the part behind %"),
        (&["--http", "[fe80::1%eth0]:80"], "by its number"),
        (&["--ring", ""], "1 to 64 bytes"),
        (&["--ring", &"x".repeat(65)], "1 to 64 bytes"),
        (&["--leave-timeout", ""], "0 to 3600 seconds"),
        (&["--leave-timeout", "-1"], "0 to 3600 seconds"),
        (&["--leave-timeout", "1e3"], "0 to 3600 seconds"),
        (&["--leave-timeout", "inf"], "0 to 3600 seconds"),
        (&["--leave-timeout", "8s"], "0 to 3600 seconds"),
        (&["--leave-timeout", "1.2.3"], "0 to 3600 seconds"),
        (&["--leave-timeout", "3600.1"], "0 to 3600 seconds"),
        (&["--reopen-after", "0.9"], "1 to 31536000 seconds"),
        (&["--reopen-after", "31536001"], "1 to 31536000 seconds"),
        (&["--reopen-after", "never"], "1 to 31536000 seconds"),
        (&["--min-nodes", "0"], "1 to 9 living nodes"),
        (&["--min-nodes", "10"], "1 to 9 living nodes"),
        (&["--min-nodes", "+3"], "1 to 9 living nodes"),
        (&["--log", "loud"], "error, warn, info, debug, trace, off"),
    ] {
        let text = wrong(texts);
        assert!(text.contains(part) && !text.contains('\n'), "{texts:?}: {text}");
    }
}

#[test]
fn an_argument_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let arguments = [OsString::from("skynode"), OsString::from_vec(vec![0xff])];
    assert!(matches!(read(arguments.into_iter(), |_| None), Err(Exit::Wrong(_))));
}

#[test]
fn help_is_a_manual_and_version_a_line() {
    let Err(Exit::Told(help)) = read_texts(&["--help"]) else { panic!("help is told") };
    for part in ["Usage: skynode", "--listen", "Examples:", "curl", "Error codes:", "  2 "] {
        assert!(help.contains(part), "{part} is missing: {help}");
    }
    let Err(Exit::Told(version)) = read_texts(&["--version"]) else { panic!("the version is told") };
    assert_eq!(version, format!("skynode {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_environment_says_what_the_command_line_leaves_out() {
    let variables = [
        ("SKY_LISTEN", "0.0.0.0:4321"),
        ("SKY_JOIN", "a.example:1, [::1]:2,"),
        ("SKY_ADVERTISE", "192.0.2.7:4"),
        ("SKY_HTTP", "off"),
        ("SKY_HOST", "a.example,b.example"),
        ("SKY_ID", "000102030405060708090a0b0c0d0e0f"),
        ("SKY_RING", "mine"),
        ("SKY_LEAVE_TIMEOUT", "2.5"),
        ("SKY_REOPEN_AFTER", "60"),
        ("SKY_MIN_NODES", "3"),
        ("SKY_MAX_VALUE", "512"),
        ("SKY_MAX_MEMORY", "4"),
        ("SKY_LOG", "warn"),
    ];
    let options = read_with(&[], &variables).unwrap();
    assert_eq!(options.listen, "0.0.0.0:4321".parse().unwrap());
    assert_eq!(options.join, ["a.example:1", "[::1]:2"]);
    assert_eq!((options.advertise, options.http), (Some("192.0.2.7:4".parse().unwrap()), Http::Off));
    assert_eq!(options.hosts, ["a.example", "b.example"].map(String::from).into_iter().collect());
    assert_eq!(options.id.unwrap().to_string(), "000102030405060708090a0b0c0d0e0f");
    let Config { ring, leave_timeout, reopen_after, min_nodes, value_max, memory_max, .. } = options.config;
    assert_eq!((ring.as_str(), leave_timeout), ("mine", Duration::from_millis(2500)));
    assert_eq!((reopen_after, min_nodes, options.log), (Some(Duration::from_secs(60)), 3, LevelFilter::Warn));
    assert_eq!((value_max, memory_max), (512, 4 << 20));
    let options = read_with(&["-l", "127.0.0.1:1", "-j", "c.example:3"], &variables).unwrap();
    assert_eq!((options.listen.port(), options.join), (1, vec![String::from("c.example:3")]));
    let empty = variables.map(|(name, _)| (name, ""));
    assert_eq!(read_with(&[], &empty).unwrap().listen.to_string(), "127.0.0.1:4321");
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, text, part) in [
        ("SKY_LISTEN", "4321", "ip:port"),
        ("SKY_JOIN", "a.example:1,b.example", "host:port"),
        ("SKY_HTTP", "yes", "off"),
        ("SKY_LOG", "1", "error, warn, info"),
    ] {
        match read_with(&[], &[(name, text)]) {
            Err(Exit::Wrong(line)) => {
                assert!(line.contains(name) && line.contains(part) && !line.contains('\n'), "{line}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
