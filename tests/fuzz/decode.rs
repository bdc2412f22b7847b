//! Any bytes as a datagram: refused or understood, never a panic; what is understood means the same when it is sent on.

use skynode::limits::FRAME_MAX;
use skynode::wire::RingKey;

/// The first byte says what the others are: a whole datagram if it is even, else what stands between a version and a
/// tag that are right.
pub fn decode(input: &[u8]) {
    with_datagram(input, look_at);
}

/// True if it is a message.
#[cfg(test)]
pub fn is_understood(input: &[u8]) -> bool {
    let mut understood = false;
    with_datagram(input, |key, datagram| understood = key.decode(datagram).is_ok());
    understood
}

fn with_datagram(input: &[u8], look: impl FnOnce(&RingKey, &[u8])) {
    let Some((mode, bytes)) = input.split_first() else { return };
    let key = RingKey::new("sky");
    let mut buffer = [0; FRAME_MAX];
    let datagram = if mode % 2 == 0 {
        bytes
    } else {
        let Some(length) = key.tagged(bytes, &mut buffer) else { return };
        &buffer[..length]
    };
    look(&key, datagram);
}

fn look_at(key: &RingKey, datagram: &[u8]) {
    let Ok(frame) = key.decode(datagram) else { return };
    let mut again = [0; FRAME_MAX];
    let Some(length) = key.encode(&frame, &mut again) else {
        assert!(datagram.len() > FRAME_MAX, "longer than it came: {frame:?}");
        return;
    };
    assert!(length <= datagram.len(), "longer than it came: {frame:?}");
    assert_eq!(key.decode(&again[..length]), Ok(frame));
}
