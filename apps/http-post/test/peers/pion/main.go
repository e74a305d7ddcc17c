// A Pion peer that calls http-post: pion ADDRESS OPTIONS. With "offer" in place of an address, it answers the offer that comes in a line of
// standard input. The options are JSON. It goes on until a line "end" comes on standard input, or its end; at a line "again" it negotiates again
// in the way that the options name. What happens is printed, a JSON object a line: what has come so far four times a second, and at last the result.
package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
	"github.com/pion/webrtc/v3/pkg/media/h264reader"
	"github.com/pion/webrtc/v3/pkg/media/ivfreader"
	"github.com/pion/webrtc/v3/pkg/media/oggreader"
)

type options struct {
	Echo bool
	// Files made by an encoder.
	VP8, H264, Opus string
	// Sizes in bytes.
	Messages  []int
	Unordered bool
	// Encodings of one section, by their rids.
	Rids []string
	// Offered; "" is actpass.
	Setup string
	// Of the certificate: "rsa", "p384", or Pion's own, P-256.
	Key     string
	Lite    bool
	Trickle bool
	// By a new offer, or, as WHIP does it, by "patch".
	RestartICE  string
	Renegotiate bool
	// One of the names below; none: all of Pion's.
	Profile string
}

var profiles = map[string]dtls.SRTPProtectionProfile{
	"AES128_CM_HMAC_SHA1_80": dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	"AEAD_AES_128_GCM":       dtls.SRTP_AEAD_AES_128_GCM,
}

type counts struct {
	Packets int    `json:"packets"`
	Frames  int    `json:"frames"`
	Lost    int    `json:"lost"`
	Codec   string `json:"codec"`
	next    uint16
}

type peer struct {
	options    options
	address    string
	connection *webrtc.PeerConnection
	session    string
	etag       string
	connected  chan struct{}
	once       sync.Once
	mutex      sync.Mutex
	late       []string
	messages   [][2]interface{}
	received   map[string]*counts
	input      *bufio.Reader
}

var client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

func say(event string, what map[string]interface{}) {
	what["event"] = event
	line, _ := json.Marshal(what)
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (p *peer) request(method, address, kind, body, match string) (*http.Response, string) {
	request, err := http.NewRequest(method, address, bytes.NewBufferString(body))
	must(err)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if match != "" {
		request.Header.Set("If-Match", match)
	}
	response, err := client.Do(request)
	must(err)
	text, err := io.ReadAll(response.Body)
	must(err)
	return response, string(text)
}

func main() {
	p := &peer{address: os.Args[1], connected: make(chan struct{}), received: map[string]*counts{}, input: bufio.NewReader(os.Stdin)}
	must(json.Unmarshal([]byte(os.Args[2]), &p.options))
	p.open()
	if p.address == "offer" {
		p.answer()
	} else {
		p.call()
	}
	p.play()
	p.finish()
}

func (p *peer) open() {
	engine := &webrtc.MediaEngine{}
	must(engine.RegisterDefaultCodecs())
	for _, uri := range []string{"urn:ietf:params:rtp-hdrext:sdes:mid", "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"} {
		must(engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo))
	}
	interceptors := &interceptor.Registry{}
	must(webrtc.RegisterDefaultInterceptors(engine, interceptors))
	settings := webrtc.SettingEngine{}
	settings.SetLite(p.options.Lite)
	if p.address == "offer" && p.options.Setup == "passive" {
		must(settings.SetAnsweringDTLSRole(webrtc.DTLSRoleServer))
	}
	if p.options.Profile != "" {
		settings.SetSRTPProtectionProfiles(profiles[p.options.Profile])
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings))

	configuration := webrtc.Configuration{}
	if key := newKey(p.options.Key); key != nil {
		certificate, err := webrtc.GenerateCertificate(key)
		must(err)
		configuration.Certificates = []webrtc.Certificate{*certificate}
	}
	connection, err := api.NewPeerConnection(configuration)
	must(err)
	p.connection = connection
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		say("connection", map[string]interface{}{"state": state.String()})
		if state == webrtc.PeerConnectionStateConnected {
			p.once.Do(func() { close(p.connected) })
		}
	})
	connection.OnTrack(p.count)
	connection.OnDataChannel(p.echo)
	connection.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		line := "end-of-candidates"
		if candidate != nil {
			line = candidate.ToJSON().Candidate
		}
		p.trickle(line)
	})
}

func newKey(name string) crypto.PrivateKey {
	switch name {
	case "rsa":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(err)
		return key
	case "p384":
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		must(err)
		return key
	default:
		return nil
	}
}

func (p *peer) answer() {
	line, err := p.input.ReadBytes('\n')
	must(err)
	var offer webrtc.SessionDescription
	must(json.Unmarshal(line, &offer))
	must(p.connection.SetRemoteDescription(offer))
	p.addAll()
	answer, err := p.connection.CreateAnswer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(p.connection)
	must(p.connection.SetLocalDescription(answer))
	<-gathered
	say("answer", map[string]interface{}{"sdp": p.connection.LocalDescription().SDP})
	p.awaitConnection()
}

func (p *peer) call() {
	p.addAll()
	p.negotiate(nil)
	p.awaitConnection()
}

func (p *peer) awaitConnection() {
	select {
	case <-p.connected:
	case <-time.After(15 * time.Second):
		panic("not connected within 15 s")
	}
}

// Adds what the options ask for.
func (p *peer) addAll() {
	if p.options.VP8 != "" && len(p.options.Rids) == 0 {
		p.add(webrtc.MimeTypeVP8, "video", func(track *webrtc.TrackLocalStaticSample) { playVP8(p.options.VP8, []sampleWriter{track}) })
	}
	if len(p.options.Rids) > 0 {
		p.addEncodings()
	}
	if p.options.H264 != "" {
		p.add(webrtc.MimeTypeH264, "video", func(track *webrtc.TrackLocalStaticSample) { playH264(p.options.H264, track) })
	}
	if p.options.Opus != "" && !p.options.Renegotiate {
		p.addOpus()
	}
	if p.options.Messages != nil {
		p.addChannel()
	}
}

// Goes on until it is told to end.
func (p *peer) play() {
	go func() {
		for range time.Tick(250 * time.Millisecond) {
			p.sayFigures("progress")
		}
	}()
	for {
		line, err := p.input.ReadString('\n')
		if err != nil || line == "end\n" {
			return
		}
		if line == "again\n" {
			p.again()
		}
	}
}

func (p *peer) again() {
	if p.options.Renegotiate {
		p.addOpus()
	}
	if p.options.RestartICE == "patch" {
		p.restartByPatch()
	} else {
		p.negotiate(&webrtc.OfferOptions{ICERestart: p.options.RestartICE != ""})
	}
	say("again", map[string]interface{}{})
}

func (p *peer) sayFigures(event string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	say(event, map[string]interface{}{"received": p.received, "messages": p.messages})
}

func (p *peer) finish() {
	if p.session != "" {
		response, _ := p.request("DELETE", p.session, "", "", "")
		say("deleted", map[string]interface{}{"status": response.StatusCode})
	}
	p.sayFigures("result")
	// the other side may have closed it already
	_ = p.connection.Close()
}

func (p *peer) negotiate(offerOptions *webrtc.OfferOptions) {
	offer, err := p.connection.CreateOffer(offerOptions)
	must(err)
	gathered := webrtc.GatheringCompletePromise(p.connection)
	must(p.connection.SetLocalDescription(offer))
	if !p.options.Trickle {
		<-gathered
	}
	sdp := p.connection.LocalDescription().SDP
	if p.options.Setup != "" {
		sdp = strings.ReplaceAll(sdp, "a=setup:actpass", "a=setup:"+p.options.Setup)
	}
	address := p.session
	if address == "" {
		address = p.address
		if p.options.Echo {
			address += "?echo"
		}
	}
	response, answer := p.request("POST", address, "application/sdp", sdp, "")
	say("answer", map[string]interface{}{"status": response.StatusCode, "offer": sdp, "answer": answer})
	must(p.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	base, err := url.Parse(p.address)
	must(err)
	session, err := base.Parse(response.Header.Get("Location"))
	must(err)
	p.mutex.Lock()
	p.session = session.String()
	p.etag = response.Header.Get("ETag")
	p.mutex.Unlock()
	p.trickle("")
}

// The answer to a fragment is what the earlier answer was, but for its ICE session.
func (p *peer) restartByPatch() {
	before := p.connection.CurrentRemoteDescription().SDP
	offer, err := p.connection.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	must(err)
	gathered := webrtc.GatheringCompletePromise(p.connection)
	must(p.connection.SetLocalDescription(offer))
	<-gathered
	lines := []string{}
	for _, line := range strings.Split(p.connection.LocalDescription().SDP, "\r\n") {
		for _, prefix := range []string{"a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"} {
			if strings.HasPrefix(line, prefix) {
				lines = append(lines, line)
			}
		}
	}
	fragment := strings.Join(lines, "\r\n") + "\r\n"
	response, text := p.request("PATCH", p.session, "application/trickle-ice-sdpfrag", fragment, "*")
	say("restarted", map[string]interface{}{"status": response.StatusCode, "text": text, "etag": response.Header.Get("ETag")})
	answer := before
	for _, name := range []string{"ice-ufrag", "ice-pwd"} {
		found := regexp.MustCompile("a=" + name + ":([^\r\n]+)").FindStringSubmatch(text)
		answer = regexp.MustCompile("a="+name+":[^\r\n]+").ReplaceAllLiteralString(answer, "a="+name+":"+found[1])
	}
	must(p.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
}

// Tells a candidate, or those that had to wait for the answer.
func (p *peer) trickle(line string) {
	if !p.options.Trickle {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if line != "" {
		p.late = append(p.late, "a="+line+"\r\n")
	}
	if p.session == "" || len(p.late) == 0 {
		return
	}
	fragment := strings.Join(p.late, "")
	p.late = nil
	response, text := p.request("PATCH", p.session, "application/trickle-ice-sdpfrag", fragment, p.etag)
	say("trickled", map[string]interface{}{"status": response.StatusCode, "text": text})
}

func (p *peer) add(mime, id string, play func(*webrtc.TrackLocalStaticSample)) {
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, id, "pion")
	must(err)
	sender, err := p.connection.AddTrack(track)
	must(err)
	go drain(sender)
	go func() {
		<-p.connected
		play(track)
	}()
}

func (p *peer) addOpus() {
	p.add(webrtc.MimeTypeOpus, "audio", func(track *webrtc.TrackLocalStaticSample) { playOpus(p.options.Opus, track) })
}

// An encoding of a section. Pion leaves it to us to say in each packet which one it is of.
type encoding struct {
	track      *webrtc.TrackLocalStaticRTP
	sender     *webrtc.RTPSender
	packetizer rtp.Packetizer
}

// One section, the same pictures in each encoding.
func (p *peer) addEncodings() {
	encodings := []sampleWriter{}
	var sender *webrtc.RTPSender
	for _, rid := range p.options.Rids {
		capability := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}
		track, err := webrtc.NewTrackLocalStaticRTP(capability, "video", "pion", webrtc.WithRTPStreamID(rid))
		must(err)
		if sender == nil {
			sender, err = p.connection.AddTrack(track)
		} else {
			err = sender.AddEncoding(track)
		}
		must(err)
		packetizer := rtp.NewPacketizer(1200, 0, 0, &codecs.VP8Payloader{}, rtp.NewRandomSequencer(), 90000)
		encodings = append(encodings, &encoding{track, sender, packetizer})
	}
	go drain(sender)
	go func() {
		<-p.connected
		playVP8(p.options.VP8, encodings)
	}()
}

func (e *encoding) WriteSample(sample media.Sample) error {
	for _, packet := range e.packetizer.Packetize(sample.Data, uint32(sample.Duration.Seconds()*90000)) {
		for _, extension := range e.sender.GetParameters().HeaderExtensions {
			if strings.HasSuffix(extension.URI, "sdes:rtp-stream-id") {
				must(packet.SetExtension(uint8(extension.ID), []byte(e.track.RID())))
			}
		}
		if err := e.track.WriteRTP(packet); err != nil {
			return err
		}
	}
	return nil
}

// Interceptors see what comes back only while it is read.
func drain(sender *webrtc.RTPSender) {
	buffer := make([]byte, 1500)
	for {
		if _, _, err := sender.Read(buffer); err != nil {
			return
		}
	}
}

type sampleWriter interface {
	WriteSample(media.Sample) error
}

func playVP8(file string, tracks []sampleWriter) {
	for {
		opened, err := os.Open(file)
		must(err)
		reader, header, err := ivfreader.NewWith(opened)
		must(err)
		duration := time.Second * time.Duration(header.TimebaseNumerator) / time.Duration(header.TimebaseDenominator)
		ticker := time.NewTicker(duration)
		for ; ; <-ticker.C {
			frame, _, err := reader.ParseNextFrame()
			if err == io.EOF {
				break
			}
			must(err)
			for _, track := range tracks {
				_ = track.WriteSample(media.Sample{Data: frame, Duration: duration})
			}
		}
		ticker.Stop()
		opened.Close()
	}
}

func playH264(file string, track *webrtc.TrackLocalStaticSample) {
	const duration = time.Second / 30
	for {
		opened, err := os.Open(file)
		must(err)
		reader, err := h264reader.NewReader(opened)
		must(err)
		ticker := time.NewTicker(duration)
		for {
			unit, err := reader.NextNAL()
			if err == io.EOF {
				break
			}
			must(err)
			isPicture := unit.UnitType == h264reader.NalUnitTypeCodedSliceNonIdr || unit.UnitType == h264reader.NalUnitTypeCodedSliceIdr
			sample := media.Sample{Data: unit.Data}
			if isPicture {
				sample.Duration = duration
			}
			_ = track.WriteSample(sample)
			if isPicture {
				<-ticker.C
			}
		}
		ticker.Stop()
		opened.Close()
	}
}

func playOpus(file string, track *webrtc.TrackLocalStaticSample) {
	const duration = 20 * time.Millisecond
	ticker := time.NewTicker(duration)
	for {
		opened, err := os.Open(file)
		must(err)
		reader, _, err := oggreader.NewWith(opened)
		must(err)
		isTags := true
		for {
			page, _, err := reader.ParseNextPage()
			if err == io.EOF {
				break
			}
			must(err)
			if !isTags {
				_ = track.WriteSample(media.Sample{Data: page, Duration: duration})
				<-ticker.C
			}
			isTags = false
		}
		opened.Close()
	}
}

func (p *peer) count(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	entry := &counts{Codec: track.Codec().MimeType}
	p.mutex.Lock()
	p.received[track.Kind().String()] = entry
	p.mutex.Unlock()
	var vp8 codecs.VP8Packet
	for first := true; ; first = false {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		p.mutex.Lock()
		if !first && packet.SequenceNumber != entry.next {
			entry.Lost++
		}
		entry.next = packet.SequenceNumber + 1
		entry.Packets++
		entry.Frames += frames(packet, track, &vp8)
		p.mutex.Unlock()
	}
}

func frames(packet *rtp.Packet, track *webrtc.TrackRemote, vp8 *codecs.VP8Packet) int {
	if track.Kind() == webrtc.RTPCodecTypeVideo && !packet.Marker {
		return 0
	}
	if track.Codec().MimeType == webrtc.MimeTypeVP8 {
		_, err := vp8.Unmarshal(packet.Payload)
		must(err)
	}
	return 1
}

func (p *peer) echo(channel *webrtc.DataChannel) {
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		if message.IsString {
			must(channel.SendText(string(message.Data)))
		} else {
			must(channel.Send(message.Data))
		}
	})
}

func (p *peer) addChannel() {
	ordered := !p.options.Unordered
	channel, err := p.connection.CreateDataChannel("from-pion", &webrtc.DataChannelInit{Ordered: &ordered})
	must(err)
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		kind := "binary"
		if message.IsString {
			kind = "text"
		}
		p.mutex.Lock()
		p.messages = append(p.messages, [2]interface{}{kind, len(message.Data)})
		p.mutex.Unlock()
	})
	channel.OnOpen(func() {
		must(channel.SendText("hello"))
		for _, size := range p.options.Messages {
			must(channel.Send(make([]byte, size)))
		}
	})
	channel.OnClose(func() { say("channel-closed", map[string]interface{}{}) })
	channel.OnError(func(err error) { say("channel-error", map[string]interface{}{"text": err.Error()}) })
}
