// What Pion sends: VP8 in three encodings out of files, as an encoder would, and Opus out of one.
package main

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc"
	"github.com/pion/webrtc/pkg/media"
	"github.com/pion/webrtc/pkg/media/ivfreader"
	"github.com/pion/webrtc/pkg/media/oggreader"
)

// The encodings, smallest first, and the files of make-media.sh beside this folder.
var encodings = []struct{ rid, file string }{{"q", "yellow-180.ivf"}, {"h", "yellow-360.ivf"}, {"f", "yellow-720.ivf"}}

const soundFile = "tone1600.opus"

type sender struct {
	pc      *webrtc.PeerConnection
	sound   *webrtc.TrackLocalStaticSample
	video   *webrtc.RTPSender
	layers  []*webrtc.TrackLocalStaticRTP
	started bool
}

func newSender() *sender {
	sender := &sender{pc: connection("publish")}
	var err error
	sender.sound, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "sound", "pion")
	must(err)
	_, err = sender.pc.AddTransceiverFromTrack(sender.sound, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	must(err)
	for _, encoding := range encodings {
		layer, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "picture", "pion", webrtc.WithRTPStreamID(encoding.rid))
		must(err)
		if sender.video == nil {
			transceiver, err := sender.pc.AddTransceiverFromTrack(layer, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
			must(err)
			sender.video = transceiver.Sender()
		} else {
			must(sender.video.AddEncoding(layer))
		}
		sender.layers = append(sender.layers, layer)
	}
	return sender
}

func (sender *sender) offer() string {
	offer, err := sender.pc.CreateOffer(nil)
	return described(sender.pc, offer, err)
}

// tracks says what is in which m= section.
func (sender *sender) tracks() []map[string]any {
	var tracks []map[string]any
	for _, transceiver := range sender.pc.GetTransceivers() {
		source := "microphone"
		if transceiver.Kind() == webrtc.RTPCodecTypeVideo {
			source = "camera"
		}
		tracks = append(tracks, map[string]any{"mid": transceiver.Mid(), "source": source})
	}
	return tracks
}

// begin sends everything from now on, once the answer is there.
func (sender *sender) begin() {
	if sender.started {
		return
	}
	sender.started = true
	go sender.speak()
	for index := range encodings {
		go sender.show(index)
	}
	for _, each := range encodings {
		rid := each.rid
		go drain(func(buffer []byte) error { _, _, err := sender.video.ReadSimulcast(buffer, rid); return err })
	}
}

// drain reads reports, which is what makes interceptors answer them.
func drain(read func([]byte) error) {
	buffer := make([]byte, 1500)
	for read(buffer) == nil {
	}
}

func open(name string) *os.File {
	program, err := os.Executable()
	must(err)
	file, err := os.Open(filepath.Join(filepath.Dir(program), "../media", name))
	must(err)
	return file
}

// speak sends the sound file again and again.
func (sender *sender) speak() {
	const length = 20 * time.Millisecond
	clock := time.NewTicker(length)
	for {
		file := open(soundFile)
		reader, _, err := oggreader.NewWith(file)
		must(err)
		for page := 0; ; page++ {
			data, _, err := reader.ParseNextPage()
			if err == io.EOF {
				break
			}
			must(err)
			// The first page after the header holds the names.
			if page > 0 {
				<-clock.C
				must(sender.sound.WriteSample(media.Sample{Data: data, Duration: length}))
			}
		}
		file.Close()
	}
}

// show sends the frames of one encoding again and again; each packet says its mid and rid.
func (sender *sender) show(index int) {
	const perSecond = 15
	clock := time.NewTicker(time.Second / perSecond)
	ids := map[string]uint8{}
	for _, extension := range sender.video.GetParameters().HeaderExtensions {
		ids[extension.URI] = uint8(extension.ID)
	}
	mid := ""
	for _, transceiver := range sender.pc.GetTransceivers() {
		if transceiver.Sender() == sender.video {
			mid = transceiver.Mid()
		}
	}
	packetizer := rtp.NewPacketizer(1200, 0, 0, &codecs.VP8Payloader{EnablePictureID: true}, rtp.NewRandomSequencer(), 90000)
	for {
		file := open(encodings[index].file)
		reader, _, err := ivfreader.NewWith(file)
		must(err)
		for {
			frame, _, err := reader.ParseNextFrame()
			if err == io.EOF {
				break
			}
			must(err)
			<-clock.C
			for _, packet := range packetizer.Packetize(frame, 90000/perSecond) {
				must(packet.SetExtension(ids[midExtension], []byte(mid)))
				must(packet.SetExtension(ids[ridExtension], []byte(encodings[index].rid)))
				// Before it is connected, and after it is closed, there is nowhere to send to.
				_ = sender.layers[index].WriteRTP(packet)
			}
		}
		file.Close()
	}
}
