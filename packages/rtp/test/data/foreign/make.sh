#!/bin/sh
# Makes the captures of GStreamer (1.22) and FFmpeg (8) of this folder again, out of the encoded files of the one above: RTP packets, each after its length
# of 16 bits (RFC 4571), of 300 bytes at most. Sequence numbers and timestamps start at random; the tests do not depend on them.
#
# Those of Pion are of github.com/pion/rtp v1.10.6, with `rtp.NewPacketizer(300, …)` and codecs.VP8Payloader{EnablePictureID: true}, VP9Payloader{} and
# {FlexibleMode: true}, H264Payloader{}, H265Payloader{} and AV1Payloader{}: its packets, written out in the same way.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
encode="ffmpeg -hide_banner -loglevel error -y"
picture='-f lavfi -i testsrc=size=96x80:rate=15 -pix_fmt yuv420p'

# ffmpeg_rtp NAME INPUT...: what FFmpeg sends over the loopback, as udpsrc takes it
ffmpeg_rtp() {
  name=$1
  shift
  gst-launch-1.0 -q udpsrc port=5600 caps=application/x-rtp ! rtpstreampay ! filesink buffer-mode=unbuffered location="$name.rtp" &
  sleep 1
  ffmpeg -hide_banner -loglevel error -re "$@" -c copy -strict experimental -f rtp 'rtp://127.0.0.1:5600?pkt_size=300' >/dev/null
  sleep 1
  kill $!
}
ffmpeg_rtp vp8-ffmpeg -i ../vp8.ivf
ffmpeg_rtp vp9-ffmpeg -i ../vp9.ivf
ffmpeg_rtp h264-ffmpeg -i ../h264.264
ffmpeg_rtp h265-ffmpeg -i ../h265.265
ffmpeg_rtp av1-ffmpeg -i ../av1.ivf
ffmpeg_rtp opus-ffmpeg -i ../opus.ogg

# gstreamer NAME FILE ELEMENT...
gstreamer() {
  name=$1
  file=$2
  shift 2
  gst-launch-1.0 -q filesrc location="$file" ! "$@" ! rtpstreampay ! filesink location="$name.rtp"
}
# files without times get them in a container
$encode -r 15 -i ../h264.264 -c copy "$work/h264.mp4"
$encode -r 15 -i ../h265.265 -c copy -bsf:v hevc_metadata "$work/h265.mkv"
gstreamer vp8-gstreamer ../vp8.ivf ivfparse ! rtpvp8pay mtu=300 picture-id-mode=15-bit
gstreamer vp9-gstreamer ../vp9.ivf ivfparse ! vp9parse ! video/x-vp9,alignment=super-frame ! rtpvp9pay mtu=300 picture-id-mode=15-bit
gstreamer h264-gstreamer "$work/h264.mp4" qtdemux ! rtph264pay mtu=300 aggregate-mode=zero-latency
h265='matroskademux ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au'
gstreamer h265-gstreamer "$work/h265.mkv" $h265 ! rtph265pay mtu=300 aggregate-mode=max
gstreamer opus-gstreamer ../opus.ogg oggdemux ! opusparse ! rtpopuspay

# several slices to a picture; config-interval=-1 repeats the parameter sets before each slice of an IDR picture
$encode $picture -frames:v 9 -c:v libx264 -threads 1 -crf 36 -g 3 -bf 0 -profile:v baseline \
  -x264-params slices=3:info=0:aud=1:scenecut=0 "$work/slices-264.mp4"
$encode $picture -frames:v 9 -c:v libx265 -preset fast -crf 38 \
  -x265-params 'keyint=3:min-keyint=3:bframes=0:repeat-headers=1:info=0:aud=1:slices=2:ctu=16:pools=none:frame-threads=1:log-level=none' "$work/slices-265.mkv"
for mode in none zero-latency; do
  gstreamer "h264-gstreamer-slices-$mode" "$work/slices-264.mp4" qtdemux ! rtph264pay mtu=300 config-interval=-1 aggregate-mode=$mode
  gstreamer "h265-gstreamer-slices-$mode" "$work/slices-265.mkv" $h265 ! rtph265pay mtu=300 config-interval=-1 aggregate-mode=$mode
done

# keyframes that are no IDR pictures
for kind in open-gop intra-refresh; do
  [ $kind = open-gop ] && frames=2 || frames=0
  $encode $picture -frames:v 14 -c:v libx264 -threads 1 -crf 38 -g 6 -bf $frames -x264-params "$kind=1:info=0" -f h264 "$work/$kind.264"
  ffmpeg_rtp "h264-ffmpeg-$kind" -i "$work/$kind.264"
done

# redundant audio of which each packet has the one but last, and no other
gst-launch-1.0 -q audiotestsrc num-buffers=14 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=1 ! opusenc bitrate=24000 ! rtpopuspay pt=97 ! \
  rtpredenc pt=96 distance=2 ! rtpstreampay ! filesink location=red-gstreamer-distance-2.rtp
