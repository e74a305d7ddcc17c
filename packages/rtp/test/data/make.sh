#!/bin/sh
# Makes the encoded files of this folder again, with ffmpeg: a second or less of a test picture, half a second of noise. Their bytes depend on
# the versions of the encoders; the tests do not.
set -eu
cd "$(dirname "$0")"
quiet='-hide_banner -loglevel error -y -flags +bitexact -fflags +bitexact'
picture='-f lavfi -i testsrc=size=160x120:rate=15 -frames:v 12 -pix_fmt yuv420p'
sound='-f lavfi -i anoisesrc=color=pink:seed=1:duration=0.5'

ffmpeg $quiet $picture -c:v libvpx -b:v 60k -g 6 -auto-alt-ref 0 vp8.ivf
ffmpeg $quiet $picture -c:v libvpx-vp9 -b:v 40k -g 6 -deadline realtime -cpu-used 8 -lag-in-frames 0 vp9.ivf
ffmpeg $quiet $picture -c:v libx264 -preset fast -tune zerolatency -crf 34 -g 6 -bf 0 -threads 1 \
  -x264-params 'slices=2:info=0' -bsf:v 'filter_units=remove_types=6' -f h264 h264.264
ffmpeg $quiet $picture -c:v libx265 -preset fast -tune zerolatency -crf 34 -threads 1 \
  -x265-params 'keyint=6:min-keyint=6:bframes=0:repeat-headers=1:info=0:pools=none:frame-threads=1:log-level=none' -f hevc h265.265
ffmpeg $quiet $picture -c:v libaom-av1 -usage realtime -cpu-used 8 -b:v 40k -g 6 -lag-in-frames 0 -threads 1 av1.ivf
ffmpeg $quiet $sound -ac 1 -ar 48000 -c:a libopus -b:a 24k -frame_duration 20 opus.ogg
ffmpeg $quiet $sound -ac 1 -ar 8000 -c:a pcm_mulaw -f mulaw pcmu.raw
ffmpeg $quiet $sound -ac 1 -ar 8000 -c:a pcm_alaw -f alaw pcma.raw
ffmpeg $quiet $sound -ac 1 -ar 16000 -c:a g722 -f g722 g722.raw
