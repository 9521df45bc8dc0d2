// What Pion receives: ffmpeg decodes it, so that colours and tones can be told and not only counted.
package main

import (
	"encoding/binary"
	"io"
	"math"
	"os/exec"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc"
	"github.com/pion/webrtc/pkg/media/ivfwriter"
	"github.com/pion/webrtc/pkg/media/oggwriter"
)

const (
	width, height = 16, 12
	rate          = 48000
)

type seen struct {
	Frames int    `json:"frames"`
	Size   []int  `json:"size"`
	Colour [3]int `json:"colour"`
	Moved  int    `json:"moved"`
	pixels []byte
}

type receiver struct {
	pc    *webrtc.PeerConnection
	room  *room
	mutex sync.Mutex
	sees  map[string]*seen
	hears map[string]int
}

func newReceiver(room *room) *receiver {
	receiver := &receiver{pc: connection("subscribe"), room: room, sees: map[string]*seen{}, hears: map[string]int{}}
	receiver.pc.OnTrack(func(track *webrtc.TrackRemote, from *webrtc.RTPReceiver) {
		mid := ""
		for _, transceiver := range receiver.pc.GetTransceivers() {
			if transceiver.Receiver() == from {
				mid = transceiver.Mid()
			}
		}
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			go receiver.watch(track, mid)
		} else {
			go receiver.listen(track, mid)
		}
	})
	return receiver
}

func (receiver *receiver) report() {
	receiver.mutex.Lock()
	defer receiver.mutex.Unlock()
	tell(map[string]any{"sees": receiver.sees, "hears": receiver.hears})
}

func (receiver *receiver) of(mid string) *seen {
	owner := receiver.room.owner(mid)
	if receiver.sees[owner] == nil {
		receiver.sees[owner] = &seen{Size: []int{0, 0}}
	}
	return receiver.sees[owner]
}

// decoder starts ffmpeg, which reads what is written to it and gives what `act` is called with, so many bytes at a time.
func decoder(size int, act func([]byte), arguments ...string) io.WriteCloser {
	// Nothing waits in it for more: not while it guesses what comes, not in its threads, not before it writes.
	all := append([]string{"-loglevel", "fatal", "-fflags", "nobuffer", "-probesize", "32", "-analyzeduration", "0", "-threads", "1"}, arguments...)
	command := exec.Command("ffmpeg", append(all, "-flush_packets", "1", "pipe:1")...)
	input, err := command.StdinPipe()
	must(err)
	output, err := command.StdoutPipe()
	must(err)
	must(command.Start())
	go func() {
		buffer := make([]byte, size)
		for {
			if _, err := io.ReadFull(output, buffer); err != nil {
				return
			}
			act(buffer)
		}
	}()
	return input
}

// watch decodes pictures; what has a hole is left out until the next keyframe, which is asked for.
func (receiver *receiver) watch(track *webrtc.TrackRemote, mid string) {
	input := decoder(width*height*3, func(pixels []byte) { receiver.see(mid, pixels) },
		"-f", "ivf", "-i", "pipe:0", "-f", "rawvideo", "-vf", "scale=16:12:flags=area", "-pix_fmt", "rgb24", "-fps_mode", "passthrough")
	defer input.Close()
	writer, err := ivfwriter.NewWith(input)
	must(err)
	var asked time.Time
	var next uint16
	whole, first := false, true
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		begins := false
		vp8 := codecs.VP8Packet{}
		if payload, err := vp8.Unmarshal(packet.Payload); err == nil && vp8.S == 1 && vp8.PID == 0 && len(payload) > 10 {
			begins = payload[0]&1 == 0
			if begins {
				receiver.mutex.Lock()
				receiver.of(mid).Size = []int{int(binary.LittleEndian.Uint16(payload[6:])) & 0x3fff, int(binary.LittleEndian.Uint16(payload[8:])) & 0x3fff}
				receiver.mutex.Unlock()
			}
		}
		whole = begins || whole && (first || packet.SequenceNumber == next)
		first, next = false, packet.SequenceNumber+1
		if whole {
			must(writer.WriteRTP(packet))
		} else if time.Since(asked) > time.Second {
			asked = time.Now()
			must(receiver.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}))
		}
	}
}

func (receiver *receiver) see(mid string, pixels []byte) {
	receiver.mutex.Lock()
	defer receiver.mutex.Unlock()
	seen := receiver.of(mid)
	difference, sums := 0, [3]int{}
	for at, value := range pixels {
		sums[at%3] += int(value)
		if len(seen.pixels) == len(pixels) {
			difference += int(math.Abs(float64(value) - float64(seen.pixels[at])))
		}
	}
	if difference*5 > len(pixels) {
		seen.Moved++
	}
	seen.Frames++
	for channel, sum := range sums {
		seen.Colour[channel] = sum / (width * height)
	}
	seen.pixels = append([]byte{}, pixels...)
}

// listen decodes sound; the pitch is how often it rises through zero in a second.
func (receiver *receiver) listen(track *webrtc.TrackRemote, mid string) {
	below, rises := false, 0
	hear := func(samples []byte) {
		rises = 0
		for at := 0; at < len(samples); at += 2 {
			// Quieter than this is silence, which has no pitch.
			if sample := int16(binary.LittleEndian.Uint16(samples[at:])); sample < -300 {
				below = true
			} else if sample > 300 && below {
				below = false
				rises++
			}
		}
		receiver.mutex.Lock()
		receiver.hears[receiver.room.owner(mid)] = rises
		receiver.mutex.Unlock()
	}
	input := decoder(rate*2, hear, "-f", "ogg", "-i", "pipe:0", "-f", "s16le", "-ac", "1", "-ar", "48000")
	defer input.Close()
	writer, err := oggwriter.NewWith(input, rate, 2)
	must(err)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if len(packet.Payload) > 0 {
			must(writer.WriteRTP(packet))
		}
	}
}
