//! Whether to compress chunks while they are sent, which are stored as they are.
//!
//! Chunks that compress are compressed when they are added, so this is for those of `dits.compression=off` and for small
//! ones that lie in frames of many. Compressing takes a core's time for each byte and saves the line's: it pays when
//! (1 − ratio) / rate of the line > 1 / rate of the codec. The rate of the line is what [`Squeeze::line`] was told; as
//! long as nobody said it, nothing is compressed. The ratio is that of the chunks that were compressed last, or tried.
//! No clock in here.

use dits_store::{Compression, Encoded, Encoder};

/// Bytes a second that are compressed at the one end and decompressed at the other, by one core each: half of what is
/// measured, since neither core is idle.
const CODEC_RATE: f64 = 250e6;
/// What compressing is thought to leave before any was done.
const RATIO_FIRST: f64 = 0.6;
/// How much the newest chunk counts.
const RATIO_WEIGHT: f64 = 0.05;

/// Whether compressing pays: rates are bytes a second, `ratio` is what is left of a byte.
pub fn pays(ratio: f64, line_rate: f64, codec_rate: f64) -> bool {
    (1.0 - ratio) * codec_rate > line_rate
}

/// See the file head.
#[derive(Debug)]
pub(crate) struct Squeeze {
    line_rate: Option<f64>,
    ratio: f64,
    encoder: Option<Encoder>,
}

impl Default for Squeeze {
    fn default() -> Squeeze {
        Squeeze { line_rate: None, ratio: RATIO_FIRST, encoder: None }
    }
}

impl Squeeze {
    /// Learns the rate of the line.
    pub fn line(&mut self, bytes_per_second: u64) {
        self.line_rate = Some(bytes_per_second as f64);
    }

    /// Whether the next chunk that looks compressible should be.
    pub fn pays(&self) -> bool {
        self.line_rate.is_some_and(|line| pays(self.ratio, line, CODEC_RATE))
    }

    /// Compresses a raw chunk, if that makes it smaller.
    pub fn encode(&mut self, chunk: Encoded) -> Encoded {
        if !dits_store::codec::looks_compressible(&chunk.bytes) {
            return chunk;
        }
        let encoder = self.encoder.get_or_insert_with(|| Encoder::new(Compression::Auto));
        let before = chunk.bytes.len().max(1) as f64;
        let encoded = encoder.encode(chunk.bytes);
        self.ratio += (encoded.bytes.len() as f64 / before - self.ratio) * RATIO_WEIGHT;
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_store::codec::Codec;
    use dits_store::conformance::noise;

    const GIGABIT: u64 = 118_000_000;

    #[test]
    fn slow_lines_are_worth_it_and_fast_ones_are_not() {
        // Of a gigabit, a chunk that is halved gains more than it costs; one that is cut by a tenth does not.
        assert!(pays(0.5, GIGABIT as f64, CODEC_RATE));
        assert!(!pays(0.9, GIGABIT as f64, CODEC_RATE));
        assert!(pays(0.9, 12e6, CODEC_RATE));
        for ratio in [0.0, 0.5, 1.0] {
            assert!(!pays(ratio, 1.2e9, CODEC_RATE), "ten gigabits");
        }
        assert!(!pays(1.0, 1.0, CODEC_RATE), "nothing is gained, however slow");
    }

    #[test]
    fn what_gains_nothing_is_given_up_on_a_line_that_is_not_slow() {
        let mut squeeze = Squeeze::default();
        assert!(!squeeze.pays(), "nobody knows the line");
        squeeze.line(GIGABIT / 2);
        assert!(squeeze.pays());
        // A little is gained: too little for this line.
        let nearly = |seed| noise(seed, 60_000).iter().map(|byte| byte % 176).collect::<Vec<u8>>();
        for seed in 1..60 {
            squeeze.encode(Encoded::raw(nearly(seed).into()));
        }
        assert!(!squeeze.pays());
        squeeze.line(1_000_000);
        assert!(squeeze.pays());
        let text: Vec<u8> = noise(1, 60_000).iter().map(|byte| byte % 9).collect();
        let encoded = squeeze.encode(Encoded::raw(text.clone().into()));
        assert_eq!(encoded.codec, Codec::Zstd);
        assert_eq!(encoded.decode().unwrap(), text);
    }
}
