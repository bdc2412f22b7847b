//! How values are written on the command line.

use skynode::sim::playground::{PPM_MAX, Partition, Shape};
use skynode::sim::{Clock, Delay};
use std::time::Duration;

/// `500ms`, `90s`, `1.4m`, `2h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write 500ms, 90s, 10m or 2h");
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let each = match &text[number.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let count: f64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(count * each).map_err(|_| wrong())?;
    if time > Duration::from_secs(1 << 30) { Err(format!("{text} is more than thirty years")) } else { Ok(time) }
}

/// A number from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?} is no share: write a number from 0 to 1"))
}

/// So many a second.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1e6).contains(rate));
    rate.ok_or_else(|| format!("{text:?} is no rate: write how many a second, up to a million"))
}

/// `JOINS,DEPARTURES`, both a second.
pub fn churn(text: &str) -> Result<(f64, f64), String> {
    let (joins, departures) =
        text.split_once(',').ok_or_else(|| format!("{text:?} is no churn: write 0.4,0.4 for joins and departures"))?;
    Ok((rate(joins)?, rate(departures)?))
}

/// `50ms`, `10ms..80ms`, or `exp:50ms`.
pub fn delay(text: &str) -> Result<Delay, String> {
    if let Some(mean) = text.strip_prefix("exp:") {
        return Ok(Delay::Exponential(duration(mean)?));
    }
    let (shortest, longest) = text.split_once("..").unwrap_or((text, text));
    let (shortest, longest) = (duration(shortest)?, duration(longest)?);
    if shortest > longest {
        return Err(format!("{text:?} begins with the longer delay"));
    }
    Ok(Delay::Between(shortest, longest))
}

/// `SHAPE@AT+LASTING`.
pub fn partition(text: &str) -> Result<Partition, String> {
    let names: Vec<&str> = Shape::ALL.iter().map(|(name, _)| *name).collect();
    let wrong = || format!("{text:?} is no partition: write halves@10s+60s; shapes are {}", names.join(", "));
    let (shape, times) = text.split_once('@').ok_or_else(wrong)?;
    let (at, lasting) = times.split_once('+').ok_or_else(wrong)?;
    let (_, shape) = *Shape::ALL.iter().find(|(name, _)| *name == shape).ok_or_else(wrong)?;
    Ok(Partition { shape, at: duration(at)?, lasting: duration(lasting)? })
}

/// `SKEW,PPM`: how far a wall clock is off, and how much faster or slower a monotonic one runs.
pub fn clocks(text: &str) -> Result<Clock, String> {
    let wrong = || format!("{text:?} says nothing of clocks: write 6s,10000 for how far off, and parts per million");
    let (skew, ppm) = text.split_once(',').ok_or_else(wrong)?;
    let ppm: u32 = ppm.parse().map_err(|_| wrong())?;
    if ppm > PPM_MAX {
        return Err(format!("{ppm} parts per million are more than the protocol stands: at most {PPM_MAX}"));
    }
    let skew_ms = i64::try_from(duration(skew)?.as_millis()).map_err(|_| wrong())?;
    Ok(Clock { offset_us: 0, rate_ppm: ppm.cast_signed(), skew_ms })
}

/// Positions, with commas between.
pub fn ids(text: &str) -> Result<Vec<u128>, String> {
    text.split(',').map(number).collect()
}

/// `POSITION@AT`.
pub fn moment(text: &str) -> Result<(u128, Duration), String> {
    let (id, at) = text.split_once('@').ok_or_else(|| format!("{text:?} lacks the moment: write 6@10s"))?;
    Ok((number(id)?, duration(at)?))
}

/// A position: decimal, or hexadecimal after `0x`.
pub fn number(text: &str) -> Result<u128, String> {
    let read = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u128::from_str_radix(digits, 16));
    read.map_err(|_| format!("{text:?} is no position: write a number, or 0x and hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_a_unit() {
        let read = |text| duration(text).ok();
        assert_eq!(read("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(read("1.4m"), Some(Duration::from_secs(84)));
        assert_eq!(read("2h"), Some(Duration::from_secs(7200)));
        for wrong in ["", "5", "s", "-1s", "1d", "nans", "infs", "1e300h", "9999999h", "5 s", "ü"] {
            assert!(duration(wrong).is_err(), "{wrong} was read");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        for wrong in ["2", "-0.1", "nan", ""] {
            assert!(share(wrong).is_err_and(|text| text.contains("0 to 1")));
        }
        assert!(churn("0.4").is_err() && churn("0.4,inf").is_err() && churn("0.4,0.5") == Ok((0.4, 0.5)));
        assert!(delay("80ms..10ms").is_err() && delay("exp:x").is_err() && delay("10ms..80ms").is_ok());
        assert!(partition("halves@1s").is_err() && partition("quarters@1s+1s").is_err());
        assert!(partition("thirds@1s+2m").is_ok_and(|partition| partition.lasting == Duration::from_secs(120)));
        for wrong in ["6s", "6,100", "6s,-1", "6s,fast", "-6s,1", "6s,20001", ""] {
            assert!(clocks(wrong).is_err(), "{wrong} was read");
        }
        assert!(clocks("6s,20000").is_ok_and(|clock| (clock.skew_ms, clock.rate_ppm) == (6000, 20_000)));
        assert!(ids("1,,2").is_err() && ids("1,0xff") == Ok(vec![1, 255]));
        assert!(moment("6").is_err() && moment("6@1s") == Ok((6, Duration::from_secs(1))));
    }
}
