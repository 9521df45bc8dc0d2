// A room of Trefoil: joins by HTTP and WebSocket, and keeps what is told of tracks and places.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

type message struct {
	Type        string
	You         string
	SDP         string
	Participant string
	Tracks      []struct{ Track, Kind string }
	Slots       []struct{ Mid, Track string }
}

type room struct {
	socket *websocket.Conn
	handle map[string]func(message)
	mutex  sync.Mutex
	owners map[string]string // track to participant
	slots  map[string]string // m= section to track
	tracks []map[string]string
}

func enter(url, token string) *room {
	request, err := http.NewRequest("POST", url+"v1/join", bytes.NewReader([]byte("{}")))
	must(err)
	request.Header.Set("content-type", "application/json")
	request.Header.Set("authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: &http.Transport{}}).Do(request)
	must(err)
	defer response.Body.Close()
	var answer struct {
		Token string
		URL   string `json:"signalling_url"`
	}
	must(json.NewDecoder(response.Body).Decode(&answer))
	if response.StatusCode >= 300 {
		panic(fmt.Sprint("the join was refused: ", response.Status))
	}
	socket, _, err := (&websocket.Dialer{}).Dial(answer.URL, nil)
	must(err)
	room := &room{socket: socket, handle: map[string]func(message){}, owners: map[string]string{}, slots: map[string]string{}}
	room.on("joined", func(message message) { tell(map[string]any{"joined": message.You}) })
	room.say("join", map[string]any{"version": 1, "token": answer.Token})
	return room
}

func (room *room) on(kind string, act func(message)) { room.handle[kind] = act }

// say sends a message.
func (room *room) say(kind string, fields map[string]any) {
	fields["type"] = kind
	room.mutex.Lock()
	defer room.mutex.Unlock()
	must(room.socket.WriteJSON(fields))
}

// listen takes what comes until the socket ends; the library answers pings meanwhile.
func (room *room) listen() {
	for {
		_, text, err := room.socket.ReadMessage()
		if err != nil {
			return
		}
		var message message
		must(json.Unmarshal(text, &message))
		switch message.Type {
		case "tracks":
			room.mutex.Lock()
			for _, track := range message.Tracks {
				room.owners[track.Track] = message.Participant
				room.tracks = append(room.tracks, map[string]string{"track": track.Track, "kind": track.Kind, "participant": message.Participant})
			}
			tell(map[string]any{"tracks": room.tracks})
			room.mutex.Unlock()
		case "slots":
			room.mutex.Lock()
			room.slots = map[string]string{}
			for _, slot := range message.Slots {
				room.slots[slot.Mid] = slot.Track
			}
			room.mutex.Unlock()
		case "refused", "media_lost", "left":
			tell(map[string]any{"wrong": string(text)})
		}
		if act := room.handle[message.Type]; act != nil {
			act(message)
		}
	}
}

// owner says whose track is in this place now.
func (room *room) owner(mid string) string {
	room.mutex.Lock()
	defer room.mutex.Unlock()
	return room.owners[room.slots[mid]]
}
