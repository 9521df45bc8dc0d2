//! Instructions of eBPF ([RFC 9669](https://www.rfc-editor.org/rfc/rfc9669)), with names for the places to jump to.

use std::os::fd::AsRawFd;

use super::Table;

/// A register. `R10` is the end of the 512 bytes of stack; calls keep `R6` to `R9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "a number says it all")]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// The second operand of an instruction.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// What a register holds.
    In(Register),
    /// A constant, extended with its sign to 64 bits.
    Is(i32),
}

impl From<Register> for Value {
    fn from(register: Register) -> Value {
        Value::In(register)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Value {
        Value::Is(number)
    }
}

/// Arithmetic on 64 bits.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the usual ones")]
pub enum Calculation {
    Add = 0x00,
    Subtract = 0x10,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Xor = 0xa0,
    /// Just the second operand.
    Set = 0xb0,
}

/// When to jump: the register, compared with the value as unsigned 64 bits unless the name says otherwise.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the usual ones")]
pub enum Condition {
    Equal = 0x10,
    Greater = 0x20,
    /// They have a bit in common.
    Common = 0x40,
    Different = 0x50,
    SignedAtLeast = 0x70,
    Less = 0xa0,
    SignedLess = 0xc0,
}

/// How many bytes are read or written.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are numbers")]
pub enum Size {
    Four = 0x00,
    Two = 0x08,
    One = 0x10,
    Eight = 0x18,
}

/// A place in a program.
#[derive(Clone, Copy, Debug)]
pub struct Label(usize);

/// A program that is being written.
#[derive(Debug, Default)]
pub struct Assembler {
    code: Vec<u64>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

const ALU64: u8 = 0x07;
const ALU32: u8 = 0x04;
const JUMP: u8 = 0x05;
const LOAD: u8 = 0x61;
const STORE: u8 = 0x63;
const FROM_REGISTER: u8 = 0x08;

impl Assembler {
    /// A program without instructions.
    #[must_use]
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// `register` becomes what the calculation with `value` gives.
    pub fn calculate(&mut self, register: Register, what: Calculation, value: impl Into<Value>) {
        self.with_value(ALU64 | what as u8, register, 0, value.into());
    }

    /// `register` becomes `value`.
    pub fn set(&mut self, register: Register, value: impl Into<Value>) {
        self.calculate(register, Calculation::Set, value);
    }

    /// Turns the lowest two bytes of a register between the order of the network and the machine's; the others become 0.
    pub fn swap_two(&mut self, register: Register) {
        self.push(ALU32 | 0xd0 | FROM_REGISTER, register, Register::R0, 0, 16);
    }

    /// Reads from memory: `into` becomes what lies `offset` bytes after where `from` points.
    pub fn load(&mut self, size: Size, into: Register, from: Register, offset: i16) {
        self.push(LOAD | size as u8, into, from, offset, 0);
    }

    /// Writes `value` to memory, `offset` bytes after where `to` points.
    pub fn store(&mut self, size: Size, to: Register, offset: i16, value: Register) {
        self.push(STORE | size as u8, to, value, offset, 0);
    }

    /// Adds eight bytes to memory, whoever else does so at the same time.
    pub fn add_in_memory(&mut self, to: Register, offset: i16, value: Register) {
        self.push(0xc3 | Size::Eight as u8, to, value, offset, 0);
    }

    /// `register` becomes what functions of the kernel take for this table.
    pub fn table(&mut self, register: Register, table: &Table) {
        // The source register 1 says that the number is a file descriptor.
        self.push(
            0x18,
            register,
            Register::R1,
            0,
            table.handle().as_raw_fd().cast_unsigned(),
        );
        self.code.push(0);
    }

    /// Calls a function of the kernel by its number; arguments are in `R1` to `R5`, what it gives is in `R0`.
    pub fn call(&mut self, function: u32) {
        self.push(JUMP | 0x80, Register::R0, Register::R0, 0, function);
    }

    /// Ends the program; what `R0` holds is its answer.
    pub fn exit(&mut self) {
        self.push(JUMP | 0x90, Register::R0, Register::R0, 0, 0);
    }

    /// A place that is said later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Says that the next instruction is the place.
    pub fn here(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(self.code.len());
        }
    }

    /// Goes on at the place.
    pub fn jump(&mut self, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.push(JUMP, Register::R0, Register::R0, 0, 0);
    }

    /// Goes on at the place if this is so.
    pub fn jump_if(&mut self, register: Register, is: Condition, value: impl Into<Value>, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.with_value(JUMP | is as u8, register, 0, value.into());
    }

    /// The instructions, or `None` if a place was never said or lies too far away.
    pub(super) fn finish(mut self) -> Option<Vec<u64>> {
        for (at, label) in std::mem::take(&mut self.jumps) {
            let place = self.labels.get(label.0).copied().flatten()?;
            let distance = i64::try_from(place).ok()? - i64::try_from(at + 1).ok()?;
            let offset = i16::try_from(distance).ok()?.cast_unsigned();
            *self.code.get_mut(at)? |= u64::from(offset) << 16;
        }
        Some(self.code)
    }

    fn with_value(&mut self, code: u8, register: Register, offset: i16, value: Value) {
        match value {
            Value::In(other) => self.push(code | FROM_REGISTER, register, other, offset, 0),
            Value::Is(number) => self.push(code, register, Register::R0, offset, number.cast_unsigned()),
        }
    }

    /// One instruction as the machine's order has it: code, registers, offset, number.
    fn push(&mut self, code: u8, to: Register, from: Register, offset: i16, number: u32) {
        let [low, high] = offset.cast_unsigned().to_ne_bytes();
        let registers = if cfg!(target_endian = "little") {
            to as u8 | (from as u8) << 4
        } else {
            (to as u8) << 4 | from as u8
        };
        let [a, b, c, d] = number.to_ne_bytes();
        self.code
            .push(u64::from_ne_bytes([code, registers, low, high, a, b, c, d]));
    }
}
