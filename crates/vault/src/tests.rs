mod properties;
mod scrubbing;
mod traits;
