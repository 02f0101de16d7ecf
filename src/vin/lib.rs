//! vin
