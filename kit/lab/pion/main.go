// Pion in a room that goes through the media server: sends a yellow picture in three sizes and 1600 Hz, tells what it sees and hears.
//
//	kit/lab/pion/pion URL TOKEN
//
// It leaves when its standard input ends. kit/lab/setup.sh builds it from Debian's packages.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc"
)

const (
	midExtension         = "urn:ietf:params:rtp-hdrext:sdes:mid"
	ridExtension         = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
	repairedRidExtension = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
)

var lines sync.Mutex

// tell says one line of JSON to the test that started us.
func tell(what map[string]any) {
	line, err := json.Marshal(what)
	must(err)
	lines.Lock()
	defer lines.Unlock()
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// connection is one with what simulcast needs, and without names instead of addresses.
func connection(name string) *webrtc.PeerConnection {
	media, registry, settings := &webrtc.MediaEngine{}, &interceptor.Registry{}, webrtc.SettingEngine{}
	must(media.RegisterDefaultCodecs())
	for _, uri := range []string{midExtension, ridExtension, repairedRidExtension} {
		must(media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo))
	}
	must(webrtc.RegisterDefaultInterceptors(media, registry))
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings))
	made, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)
	made.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		tell(map[string]any{"state": []string{name, state.String()}})
	})
	return made
}

// described sets a local description and waits for its candidates.
func described(pc *webrtc.PeerConnection, description webrtc.SessionDescription, err error) string {
	must(err)
	done := webrtc.GatheringCompletePromise(pc)
	must(pc.SetLocalDescription(description))
	<-done
	return pc.LocalDescription().SDP
}

func main() {
	room := enter(os.Args[1], os.Args[2])
	sender, receiver := newSender(), newReceiver(room)
	room.on("published", func(message message) {
		must(sender.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: message.SDP}))
		sender.begin()
	})
	room.on("offer", func(message message) {
		must(receiver.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: message.SDP}))
		answer, err := receiver.pc.CreateAnswer(nil)
		room.say("answer", map[string]any{"sdp": described(receiver.pc, answer, err)})
	})
	go room.listen()
	sdp := sender.offer()
	room.say("publish", map[string]any{"sdp": sdp, "tracks": sender.tracks()})
	room.say("subscribe", map[string]any{"audio_slots": 2, "video_slots": 2})
	go func() {
		for {
			time.Sleep(500 * time.Millisecond)
			receiver.report()
		}
	}()
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		var order map[string]any
		must(json.Unmarshal(orders.Bytes(), &order))
		kind := order["kind"].(string)
		delete(order, "kind")
		room.say(kind, order)
	}
	room.say("leave", map[string]any{})
}
