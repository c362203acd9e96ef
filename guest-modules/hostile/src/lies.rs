//! Calls that lie in the exchange area. They are declared and exported by hand, with the signature
//! of the guest ABI, because `sandbox_guest::export` only tells the truth.
#![expect(unsafe_code, reason = "writing into the exchange area behind the guest crate's back")]

/// The exchange area as `ABI.md` lays it out.
#[repr(C)]
struct Exchange {
    input_ptr: u32,
    input_capacity: u32,
    output_ptr: u32,
    output_len: u32,
    format: u32,
    state: u32,
}

// SAFETY: both are exports of the guest crate, with these signatures.
unsafe extern "C" {
    safe fn sandbox_exchange() -> *mut Exchange;
    safe fn sandbox_reserve(capacity: usize) -> usize;
}

/// Changes fields of the exchange area.
fn tamper(change: impl FnOnce(&mut Exchange)) {
    // Linked in even where nothing else of the guest crate is.
    sandbox_reserve(64);
    // SAFETY: the area lives as long as the instance, and nothing else runs in it meanwhile.
    change(unsafe { &mut *sandbox_exchange() });
}

/// Defines an export that tampers with the area and returns a status, and declares it.
macro_rules! lie {
    ($(#[$doc:meta])* $name:ident, $output:literal, $status:expr, $change:expr) => {
        $(#[$doc])*
        // SAFETY: no other function of the guest has the name.
        #[unsafe(no_mangle)]
        extern "C" fn $name(_input_len: u32) -> i32 {
            tamper($change);
            $status
        }

        const _: () = {
            const TEXT: &[u8] = concat!(
                "{\"abi\":1,\"export\":\"", stringify!($name),
                "\",\"input\":\"bytes\",\"output\":\"", $output, "\"}\n"
            ).as_bytes();

            // SAFETY: the section is for such records.
            #[unsafe(link_section = "sandbox-guest")]
            #[used]
            static RECORD: [u8; TEXT.len()] = match TEXT.as_array() {
                Some(bytes) => *bytes,
                None => panic!("the length is the text's"),
            };
        };
    };
}

lie!(
    /// The output starts behind the end of memory.
    output_out_of_range, "bytes", 0, |area| {
        area.output_ptr = 0xffff_0000;
        area.output_len = 16;
    }
);
lie!(
    /// The output starts in memory and ends behind it.
    output_too_long, "bytes", 0, |area| area.output_len = 0x7fff_ffff
);
lie!(
    /// Address and length add up to less than either, in 32 bits.
    output_overflowing, "bytes", 0, |area| {
        area.output_ptr = 0xffff_fff0;
        area.output_len = 0x20;
    }
);
lie!(
    /// Everything is as large as it can be.
    output_all_ones, "bytes", 0, |area| {
        area.output_ptr = u32::MAX;
        area.output_len = u32::MAX;
    }
);
lie!(
    /// The next input is to be written behind the end of memory.
    input_out_of_range, "bytes", 0, |area| {
        area.input_ptr = 0xffff_0000;
        area.input_capacity = 0xffff;
    }
);
lie!(
    /// The next input is to be written over the start of memory, where the stack ends.
    input_at_zero, "bytes", 0, |area| {
        area.input_ptr = 0;
        area.input_capacity = u32::MAX;
    }
);
lie!(
    /// A status that the ABI does not have.
    unknown_status, "bytes", 77, |_| ()
);
lie!(
    /// An error whose message is not UTF-8.
    error_not_utf8, "bytes", 1, |area| leave(area, &[0xff, 0xfe, b'!'])
);
lie!(
    /// Declared as text, which it is not.
    text_not_utf8, "text", 0, |area| leave(area, &[0xc3, 0x28])
);
lie!(
    /// Declared as a value, which no format can decode: each reads a length that is not there.
    value_of_rubbish, "value", 0, |area| leave(area, &[0xdd, 0xff, 0xff, 0xff, 0xff, 0x91])
);
lie!(
    /// Says that it panicked, and returns as if nothing had happened.
    false_panic, "bytes", 0, |area| area.state = 1
);
lie!(
    /// A state that the ABI does not have.
    unknown_state, "bytes", 0, |area| area.state = 0xdead
);

/// Leaves bytes as the output.
fn leave(area: &mut Exchange, bytes: &'static [u8]) {
    area.output_ptr = bytes.as_ptr().addr() as u32;
    area.output_len = bytes.len() as u32;
}

/// Panics with a message that lies outside of memory.
// SAFETY: no other function of the guest has the name.
#[unsafe(no_mangle)]
extern "C" fn panic_out_of_range() {
    tamper(|area| {
        area.state = 1;
        area.output_ptr = 0xffff_0000;
        area.output_len = 100;
    });
    std::process::abort();
}
